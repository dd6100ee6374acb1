/**
 * Lets V8 free short-lived buffers while that is cheap. Their bytes lie outside of its heap, so that many of them fill its
 * young part but slowly; when some tens of megabytes have gathered V8 marks the whole heap to find those that are of no use any
 * more: tens of milliseconds, where to go through the young part, where all of them are, takes less than one. At pages of a
 * megabyte that was a third of the processor time.
 *
 * Node has to be started with `--expose-gc`, as `npm start` does; else nothing happens here. (What a program can do
 * instead, to set the option and take `gc` from a new context, made V8 mark the heap all the time in every other process.)
 */

import { constants, type NodeGCPerformanceDetail, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';

/**
 * What lives through two collections of the young part is old, and freed only with the whole heap. So this must be more than
 * is in use at a time: some twenty of the largest usual pages. And with what is in use, twice, it must stay below the 64 MB.
 * When more is in use, V8 does what it did without this.
 */
const bytesBetween = 20 * 1024 ** 2;

const { NODE_PERFORMANCE_GC_MINOR, NODE_PERFORMANCE_GC_MAJOR, NODE_PERFORMANCE_GC_FLAGS_FORCED } = constants;

// Of V8's heap, of which each thread has one, for as long as the thread lives.
/** Bytes since the last collection, or nearly: that V8 has collected by itself is heard of a moment later. */
let made = 0;
let isObserved = false;

/** Whether V8 has collected by itself; its steps and what is asked for here are told of, too. */
function isOwn(entry: PerformanceEntry & { readonly detail?: NodeGCPerformanceDetail }): boolean {
  const { kind, flags = 0 } = entry.detail ?? {};
  const isWhole = kind === NODE_PERFORMANCE_GC_MINOR || kind === NODE_PERFORMANCE_GC_MAJOR;
  return isWhole && (flags & NODE_PERFORMANCE_GC_FLAGS_FORCED) === 0;
}

function observe(): void {
  isObserved = true;
  // Another one right behind would make old what is in use.
  const observer = new PerformanceObserver((list) => {
    if (list.getEntries().some(isOwn)) made = 0;
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
