import type { BackupPart } from '../store/backup-file.ts';
import { formatCount } from '../text.ts';
import { startProgress } from './progress.ts';

/** Hands parts on and shows how far they are, of so many bytes of objects. Ends with the signal's reason when that comes first. */
export async function* showParts<P extends BackupPart>(
  label: string,
  total: number,
  parts: AsyncIterable<P>,
  signal: AbortSignal,
): AsyncGenerator<P> {
  const progress = startProgress(label, total);
  let objects = 0;
  let bytes = 0;
  try {
    for await (const part of parts) {
      signal.throwIfAborted();
      yield part;
      if (part.part !== 'object') continue;
      objects += 1;
      bytes += Buffer.byteLength(part.text);
      progress.update(bytes, formatCount(objects, 'object'));
    }
  } finally {
    progress.stop();
  }
}
