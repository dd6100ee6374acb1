/** Follows a file on the web: a bundle, envelope, single object or NDJSON, packed with gzip or not. */

import { UnpackedTooLong } from '../gunzip.ts';
import { ScanError } from '../stix/scan.ts';
import { defaultClientLimits, type HttpAnswer, type HttpClient } from './http-client.ts';
import { isUnreadable, readTexts } from './object-texts.ts';
import { showUrl } from './peer-url.ts';
import { type Batch, type Position, type Source, SourceError, type Unreadable } from './source.ts';
import { digestOf } from './taxii-paging.ts';

export interface WebSourceOptions {
  readonly http: HttpClient;
  readonly url: URL;
  /** Bytes of one object; longer ones are unreadable. */
  readonly maxObjectLength: number;
  /** Bytes of a packed file, unpacked; as many as one that is not packed may have, if absent. */
  readonly mostUnpacked?: number;
}

// TAXII's own last: servers that offer several forms give the plain file.
const accept = 'application/stix+json;version=2.1, application/json;q=0.9, application/x-ndjson;q=0.9, */*;q=0.1';

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** What the server needs to know to say that nothing has changed (RFC 9110 §13.1). */
function conditionsOf(from: Position | undefined): Record<string, string> {
  const { etag, lastModified } = from ?? {};
  return {
    ...(isText(etag) && { 'if-none-match': etag }),
    ...(isText(lastModified) && { 'if-modified-since': lastModified }),
  };
}

function isLines({ url, headers }: HttpAnswer): boolean {
  return /\.(?:ndjson|jsonl)(?:\.gz)?$/i.test(url.pathname) || /ndjson|jsonl/i.test(headers['content-type'] ?? '');
}

/** Reads the whole file whenever it has changed; `list` is absent: a file does not tell what was in it before. */
export function createWebSource(options: WebSourceOptions): Source {
  const { http, url, maxObjectLength, mostUnpacked = defaultClientLimits.bodyLength } = options;
  const scope = digestOf(url.href);

  async function* walk(from: Position | undefined, signal: AbortSignal): AsyncGenerator<Batch | Unreadable> {
    const known = from?.scope === scope ? from : undefined;
    const answer = await http.send({ url, headers: { accept, ...conditionsOf(known) }, signal });
    if (answer.status === 304) {
      answer.discard();
      return;
    }
    const { etag = null, 'last-modified': lastModified = null } = answer.headers;
    try {
      for await (const piece of readTexts(answer.body, { maxObjectLength, mostUnpacked, isLines: isLines(answer) })) {
        yield isUnreadable(piece) ? piece : { ...piece, position: known ?? { scope } };
      }
    } catch (error) {
      if (error instanceof UnpackedTooLong) {
        throw new SourceError(`${showUrl(answer.url)} cannot be read: ${error.message}`, 'never', undefined, {
          cause: error,
        });
      }
      if (!(error instanceof ScanError)) throw error;
      const what = `${showUrl(answer.url)} is broken: ${error.message}. What was whole before is kept`;
      throw new SourceError(`${what}; it is read again next time`, 'later', undefined, { cause: error });
    }
    yield { objects: [], bytes: 0, position: { scope, etag, lastModified } };
  }

  return { walk };
}
