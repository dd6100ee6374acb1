import { describe, expect, test } from '@jest/globals';
import { AddressRefused, assertPublicHost, findAddressFault, guardLookup } from '../../src/sync/address-guard.ts';

describe('the guard of addresses', () => {
  test.each([
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['10.255.255.255', 'private'],
    ['100.64.0.1', 'carrier'],
    ['100.127.255.255', 'carrier'],
    ['127.0.0.1', 'loopback'],
    ['127.255.0.9', 'loopback'],
    ['168.63.129.16', 'metadata'],
    ['169.254.169.254', 'metadata'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.0.0.192', 'reserved'],
    ['192.0.2.7', 'documentation'],
    ['192.168.1.1', 'private'],
    ['198.19.0.1', 'reserved'],
    ['224.0.0.251', 'multicast'],
    ['255.255.255.255', 'reserved'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::127.0.0.1', 'loopback'],
    ['::ffff:10.0.0.1', 'private'],
    ['::ffff:a9fe:a9fe', 'metadata'],
    ['::ffff:0:127.0.0.1', 'loopback'],
    ['64:ff9b::192.168.1.1', 'private'],
    ['64:ff9b:1::1', 'reserved'],
    ['2001::1', 'reserved'],
    ['2001:db8::1', 'documentation'],
    ['2002:7f00:1::', 'loopback'],
    ['2002:a00:1::1', 'private'],
    ['4000::1', 'reserved'],
    ['fc00::1', 'private'],
    ['fd00:ec2::254', 'private'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['fec0::1', 'private'],
    ['ff02::1', 'multicast'],
  ])('refuses %s, %s', (address, kind) => {
    expect(findAddressFault(address)).toContain(kind);
  });

  test.each([
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.0.1',
    '172.32.0.1',
    '223.255.255.255',
    '::ffff:1.1.1.1',
    '64:ff9b::1.1.1.1',
    '2606:4700::1111',
    '2a00:1450:4001::200e',
  ])('lets %s pass', (address) => {
    expect(findAddressFault(address)).toBeUndefined();
  });

  test('refuses hosts that are written as addresses, in brackets too, and lets names pass', () => {
    expect(() => assertPublicHost('[::1]')).toThrow(AddressRefused);
    expect(() => assertPublicHost('127.0.0.1')).toThrow(/--allow-private/);
    // As URLs are read: these spellings are addresses.
    expect(() => assertPublicHost(new URL('http://0x7f.1/').hostname)).toThrow(/loopback/);
    expect(() => assertPublicHost(new URL('http://2130706433/').hostname)).toThrow(/loopback/);
    expect(() => assertPublicHost('example.org')).not.toThrow();
  });
});

describe('guarded lookups', () => {
  function lookUp(found: readonly string[], all: boolean): Promise<unknown> {
    const guarded = guardLookup((_name, _options, callback) => {
      callback(
        null,
        found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    });
    return new Promise((resolve, reject) => {
      guarded('feed.example', { all }, (error, addresses, family) => {
        if (error === null) resolve(all ? addresses : [addresses, family]);
        else reject(error);
      });
    });
  }

  test('pass on public addresses alone', async () => {
    const found = ['10.0.0.1', '1.1.1.1', '2606:4700::1111', '::1'];
    expect(await lookUp(found, true)).toEqual([
      { address: '1.1.1.1', family: 4 },
      { address: '2606:4700::1111', family: 6 },
    ]);
    expect(await lookUp(found, false)).toEqual(['1.1.1.1', 4]);
  });

  test('fail with the name and its address when none is public', async () => {
    await expect(lookUp(['10.0.0.1'], true)).rejects.toThrow('feed.example is 10.0.0.1, which is a private address');
    await expect(lookUp([], true)).rejects.toThrow(AddressRefused);
  });
});
