/** Which network an address belongs to: what one client has for itself. */

/** An IPv4 address as it is; of IPv6 the first 64 bits, since each client has all addresses below. */
export function networkOf(address: string): string {
  // An IPv4 client of a socket that listens on IPv6 shows up as ::ffff:192.0.2.1.
  const plain = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail = ''] = plain.split('::');
  const groupsOf = (text: string): string[] => text.split(':').filter((group) => group !== '');
  const missing = Math.max(0, 8 - groupsOf(head).length - groupsOf(tail).length);
  const groups = [...groupsOf(head), ...Array<string>(missing).fill('0'), ...groupsOf(tail)];
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
