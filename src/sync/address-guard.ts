/**
 * Which addresses a feed may connect to. A URL, a redirect or a name whose owner changes its answer could lead into the
 * operator's own network; so what counts is the address of the very connection, not what was looked up before.
 */

import { BlockList, isIP, type LookupFunction } from 'node:net';

/** What must not be connected to, and why. */
export class AddressRefused extends Error {
  constructor(host: string, address: string, kind: string) {
    const shown = host === address ? address : `${host} is ${address}, which`;
    super(`${shown} is ${kind}; if the peer is meant to be there, give its own URL and --allow-private`);
    this.name = 'AddressRefused';
  }
}

type Range = readonly [kind: string, ...subnets: readonly string[]];

// RFC 6890 and its successors in the IANA registries, and where clouds keep what their machines may know alone.
const ranges: readonly Range[] = [
  ['an unspecified address', '0.0.0.0/8', '::/128'],
  ['a loopback address', '127.0.0.0/8', '::1/128'],
  ['a private address', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10'],
  ['a carrier-internal address', '100.64.0.0/10'],
  ['a link-local address, where metadata services are', '169.254.0.0/16', 'fe80::/10'],
  ['the address of a metadata service', '168.63.129.16/32'],
  ['a multicast address', '224.0.0.0/4', 'ff00::/8'],
  ['an address for documentation', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20'],
  ['a reserved address', '192.0.0.0/24', '192.88.99.0/24', '198.18.0.0/15', '240.0.0.0/4', '2001::/23'],
];

function createList(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address = '', bits] = subnet.split('/');
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

const refusedLists = ranges.map(([kind, ...subnets]) => ({ kind, list: createList(subnets) }));
const globalUnicast = createList(['2000::/3']);

/** The eight groups of an IPv6 address; undefined when it is none. */
function groupsOf(address: string): number[] | undefined {
  const written = URL.parse(`http://[${address}]/`)?.hostname.slice(1, -1);
  if (written === undefined) return undefined;
  const [head = [], tail = []] = written.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(8 - head.length - tail.length).fill('0');
  return [...head, ...zeros, ...tail].map((group) => Number.parseInt(group, 16));
}

/** The IPv4 address within an IPv6 one: mapped, compatible, translated (RFC 6052), 6to4. */
function findEmbedded(groups: readonly number[]): string | undefined {
  const prefix = groups
    .slice(0, 6)
    .map((group) => group.toString(16))
    .join(':');
  const isTunnel = groups[0] === 0x2002;
  const isEmbedded = ['0:0:0:0:0:0', '0:0:0:0:0:ffff', '0:0:0:0:ffff:0', '64:ff9b:0:0:0:0'].includes(prefix);
  if (!isTunnel && !isEmbedded) return undefined;
  const [high = 0, low = 0] = isTunnel ? groups.slice(1, 3) : groups.slice(6);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

function findKind(address: string, family: 'ipv4' | 'ipv6'): string | undefined {
  return refusedLists.find(({ list }) => list.check(address, family))?.kind;
}

/** What kind of address this is, if not a public one; undefined: it is public. */
export function findAddressFault(address: string): string | undefined {
  if (isIP(address) === 4) return findKind(address, 'ipv4');
  const [plain = ''] = address.split('%');
  const groups = groupsOf(plain);
  if (groups === undefined) return 'no address';
  const kind = findKind(plain, 'ipv6');
  if (kind !== undefined) return kind;
  const embedded = findEmbedded(groups);
  if (embedded !== undefined) return findKind(embedded, 'ipv4');
  return globalUnicast.check(plain, 'ipv6') ? undefined : 'a reserved address';
}

/** Throws AddressRefused for a host that is written as an address and must not be connected to. */
export function assertPublicHost(host: string): void {
  const address = host.replace(/^\[|\]$/g, '');
  const kind = isIP(address) === 0 ? undefined : findAddressFault(address);
  if (kind !== undefined) throw new AddressRefused(address, address, kind);
}

/** Looks names up as `lookup` does and passes on only what may be connected to; fails with AddressRefused if nothing is left. */
export function guardLookup(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, []);
      const addresses = typeof found === 'string' ? [{ address: found, family: isIP(found) }] : found;
      const allowed = addresses.filter(({ address }) => findAddressFault(address) === undefined);
      const [first] = allowed;
      if (first === undefined) {
        const address = addresses[0]?.address ?? '';
        const kind = findAddressFault(address) ?? 'no address';
        return callback(new AddressRefused(hostname, address, kind), []);
      }
      if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
