import { describe, expect, test } from '@jest/globals';
import { deterministicId, findRightId, hasOnlyRandomId } from '../../src/stix/deterministic-id.ts';

const certificateSerial = '36:f7:d4:32:f4:ab:70:ea:d3:ce:98:6e:ea:99:93:49:32:0a:b7:06';

describe('ids made of properties (STIX 2.1 §2.9)', () => {
  // Of the standard's own examples, and of what python-stix2 generates.
  test.each([
    ['artifact--623c2e53-d49e-5de7-a497-0ae1665b388e', { hashes: { MD5: '6826f9a05da08134006557758bb3afbb' } }],
    ['autonomous-system--3aa27478-50b5-5ab8-9da9-cdc12b657fff', { number: 15139, name: 'not contributing' }],
    ['directory--ee97f78e-7e2b-5b3d-bcbd-5692968cacea', { path: '/usr/home' }],
    ['domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7', { value: 'example.com' }],
    ['email-addr--3734e66b-c4e8-5d0b-bca9-befdd5699746', { value: 'bob@example.com' }],
    [
      'email-message--804bfea7-296e-53cd-b6bf-b7bde2f5c69f',
      { subject: 'Hi', from_ref: 'email-addr--8f5f7fba-cc24-5e3f-aca4-f7194112e042', body: 'Body' },
    ],
    ['file--7af1312c-4402-5d2f-b169-b118d73b85c4', { name: 'foo.exe' }],
    ['ipv4-addr--ad74bc22-43d2-52ed-890e-7d382f58e1eb', { value: '203.0.113.1' }],
    ['ipv6-addr--084d3b4c-7785-568a-a569-0c61c95754ab', { value: '2001:0db8::/96' }],
    ['mac-addr--757b1725-9903-54f5-a855-1240691d7659', { value: 'd2:fb:49:24:37:18' }],
    ['mutex--f93fe911-e545-5239-b9b0-597840d0c871', { name: '__CLEANSWEEP__' }],
    [
      'network-traffic--4292dccf-844d-5aa2-a8c2-285ed7a90c02',
      {
        src_ref: 'ipv4-addr--9cf4a8ec-7640-5f40-a006-79942896168b',
        dst_ref: 'ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4',
        protocols: ['tcp'],
      },
    ],
    [
      'software--710b0b41-d4d0-5d6c-a400-fc9254554ffc',
      { name: 'Word', cpe: 'cpe:2.3:a:microsoft:word:2000:*:*:*:*:*:*:*', version: '2002', vendor: 'Microsoft' },
    ],
    ['url--47c3cf9a-5027-5bf0-997a-017c7edc7c55', { value: 'https://example.com/research/index.html' }],
    [
      'user-account--f94d689e-707d-58c3-b803-c720bb6ed096',
      { user_id: '1001', account_login: 'jdoe', account_type: 'unix', display_name: 'not contributing' },
    ],
    ['windows-registry-key--1884b770-b679-522a-a9c7-45fadaaec7bb', { key: 'HKEY_LOCAL_MACHINE\\System\\Foo\\Bar' }],
    ['x509-certificate--bf86f034-2390-54d7-8426-d08433db3fbe', { serial_number: certificateSerial }],
  ])('%s', (id, properties) => {
    const type = id.slice(0, id.indexOf('--'));
    expect(deterministicId({ ...properties, type, id })).toBe(id);
    expect(findRightId({ ...properties, type, id: id.toUpperCase() })).toBeUndefined();
  });

  test('names within are sorted, characters beyond ASCII are written as they are', () => {
    const file = (extensions: unknown): string | undefined =>
      deterministicId({ type: 'file', name: 'quêry.dll', extensions });
    const one = file({ 'ntfs-ext': { sid: '1' }, 'pdf-ext': { version: '1.7', is_optimized: true } });
    const other = file({ 'pdf-ext': { is_optimized: true, version: '1.7' }, 'ntfs-ext': { sid: '1' } });
    expect(one).toBe('file--4a5a63e7-da21-5891-97a3-edf8cca0050f');
    expect(other).toBe(one);
  });

  test('of several hashes the first preferred one contributes, of others any', () => {
    const [md5, sha256] = ['cd'.repeat(16), 'ab'.repeat(32)];
    const file = (hashes: Record<string, string>): Record<string, unknown> => ({ type: 'file', hashes });
    expect(deterministicId(file({ 'SHA-256': sha256, MD5: md5 }))).toBe(deterministicId(file({ MD5: md5 })));
    const id = deterministicId(file({ TLSH: 'a' }));
    expect(findRightId({ ...file({ SSDEEP: 'b', TLSH: 'a' }), id })).toBeUndefined();
    expect(findRightId({ ...file({ MD5: md5, TLSH: 'a' }), id })).toBe(deterministicId(file({ MD5: md5 })));
  });

  test('only the first few of many hashes are tried', () => {
    const names = ['hash-a', 'hash-b', 'hash-c', 'hash-d', 'hash-e'];
    const ids = names.map((name) => deterministicId({ type: 'file', hashes: { [name]: 'a' } }));
    const file = { type: 'file', hashes: Object.fromEntries(names.map((name) => [name, 'a'])) };
    expect(ids.map((id) => findRightId({ ...file, id }))).toEqual([undefined, undefined, undefined, undefined, ids[0]]);
  });

  test('times as another producer writes them are recognised, and the standard form is what is given', () => {
    const traffic = {
      type: 'network-traffic',
      start: '2016-04-06T08:17:27.000Z',
      src_ref: 'ipv4-addr--9cf4a8ec-7640-5f40-a006-79942896168b',
      protocols: ['tcp'],
    };
    const elsewhere = deterministicId({ ...traffic, start: '2016-04-06T08:17:27Z' });
    expect(elsewhere).not.toBe(deterministicId(traffic));
    expect(findRightId({ ...traffic, id: elsewhere })).toBeUndefined();
    expect(findRightId({ ...traffic, id: deterministicId(traffic) })).toBeUndefined();
  });

  test('of very long objects only the standard form is computed', () => {
    const traffic = { type: 'network-traffic', start: '2016-04-06T08:17:27.000Z', protocols: ['x'.repeat(100_000)] };
    const elsewhere = deterministicId({ ...traffic, start: '2016-04-06T08:17:27Z' });
    const own = deterministicId(traffic);
    expect(findRightId({ ...traffic, id: elsewhere })).toBe(own);
    expect(findRightId({ ...traffic, id: own })).toBeUndefined();
  });

  test('a custom property named hashes contributes nothing', () => {
    const url = { type: 'url', value: 'https://a.example/' };
    expect(deterministicId({ ...url, hashes: { MD5: 'a' } })).toBe(deterministicId(url));
  });

  test('a process, a type without properties that contribute, and other types have none', () => {
    expect(deterministicId({ type: 'process', pid: 7 })).toBeUndefined();
    expect(deterministicId({ type: 'user-account', display_name: 'Ann' })).toBeUndefined();
    expect(deterministicId({ type: 'campaign', name: 'Green winter' })).toBeUndefined();
    expect(deterministicId({ type: 'constructor' })).toBeUndefined();
    expect(hasOnlyRandomId({ type: 'process', pid: 7 })).toBe(true);
    expect(hasOnlyRandomId({ type: 'campaign' })).toBe(false);
  });
});
