/**
 * Lets V8 free short-lived buffers while that is cheap. Their bytes lie outside of its heap, so that many of them fill its
 * young part but slowly; once 64 MB have gathered it marks the whole heap to find those that are of no use any more, which
 * takes some thirty times as long as to go through the young part, where all of them are. At pages of a megabyte that was a
 * third of the processor time.
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * What lives through two collections of the young part is old. So there must be fewer of them than buffers are in use at a time,
 * and the bytes of those, twice, and what is made between two collections must stay below 64 MB.
 */
const bytesBetween = 20 * 1024 ** 2;

type Collect = (options: { readonly type: 'minor' }) => void;

let collect: Collect | undefined;
let made = 0;

/** Node has no other way to it when it was not started with an option that says so. */
function findCollect(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}

/** To be called when so many bytes of short-lived buffers were made. */
export function noteShortLived(bytes: number): void {
  made += bytes;
  if (made < bytesBetween) return;
  made = 0;
  collect ??= findCollect();
  collect({ type: 'minor' });
}
