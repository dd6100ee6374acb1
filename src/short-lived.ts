/**
 * Lets V8 free short-lived buffers while that is cheap. Their bytes lie outside of its heap, so that many of them fill its
 * young part but slowly; when some tens of megabytes have gathered V8 marks the whole heap to find those that are of no use any
 * more, which takes some thirty times as long as to go through the young part, where all of them are. At pages of a megabyte
 * that was a third of the processor time.
 *
 * Node has to be started with `--expose-gc`, as `npm start` does; else nothing happens here. (What a program can do
 * instead, to set the option and take `gc` from a new context, makes V8 mark the heap all the time.)
 */

import { PerformanceObserver } from 'node:perf_hooks';

/**
 * What lives through two collections of the young part is old. So there must be fewer of them than buffers are in use at a time,
 * and the bytes of those, twice, and what is made between two collections must stay below 64 MB.
 */
const bytesBetween = 20 * 1024 ** 2;

/** Bytes since the last collection. */
let made = 0;
let isObserved = false;

function observe(): void {
  isObserved = true;
  // V8 collects by itself, too, and another one right behind would make old what is in use.
  const observer = new PerformanceObserver(() => {
    made = 0;
  });
  observer.observe({ type: 'gc' });
}

/** To be called when so many bytes of short-lived buffers were made. */
export function noteShortLived(bytes: number): void {
  const { gc } = globalThis;
  if (gc === undefined) return;
  if (!isObserved) observe();
  made += bytes;
  if (made < bytesBetween) return;
  made = 0;
  gc({ type: 'minor' });
}
