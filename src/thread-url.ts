import { extname } from 'node:path';

/**
 * The file of a thread that lies beside the module at `moduleUrl`, with the ending that this one has: `.ts` in a
 * checkout, `.js` in the product.
 */
export function threadUrl(name: string, moduleUrl: string): URL {
  return new URL(`${name}${extname(moduleUrl)}`, moduleUrl);
}
