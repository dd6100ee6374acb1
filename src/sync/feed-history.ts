/** What became of the runs of a feed: a record of kind `feed-history` for each, by name. */

import { changeRecord } from '../hub/records.ts';
import { isObject, listOf } from '../stix/json-value.ts';
import type { RecordSource, Store } from '../store/store.ts';
import type { RunReport } from './feed-state.ts';

export const historyKind = 'feed-history';
const keptRuns = 100;

/** The runs of a feed that brought something, took something away or did not complete, the newest first. */
export async function listRuns(store: RecordSource, name: string): Promise<RunReport[]> {
  const document = (await store.findRecord(historyKind, name))?.document;
  return isObject(document) ? (listOf(document.runs) as RunReport[]) : [];
}

/** A poll that found nothing new is not worth a place among them, nor the writing. */
function isEventful({ outcome, counts: { added, refused, withheld, gone } }: RunReport): boolean {
  return outcome !== 'completed' || added + refused + withheld + gone > 0;
}

/** Keeps a run that is worth it; the oldest goes when there are too many. */
export async function remember(store: Store, name: string, report: RunReport): Promise<void> {
  if (!isEventful(report)) return;
  const change = ({ document }: { document: unknown }) => {
    const runs = isObject(document) ? listOf(document.runs) : [];
    return { document: { runs: [report, ...runs].slice(0, keptRuns) }, keys: {} };
  };
  if (await changeRecord(store, historyKind, name, change)) return;
  await store.putRecord(historyKind, name, 0, { runs: [report] }, {});
}
