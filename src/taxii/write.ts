/**
 * The one door by which objects enter, from HTTP, an import or a feed: what was received is checked slice by slice off
 * the main thread and committed slice by slice, each object with a verdict of its own.
 */

import type { CheckedObject } from '../stix/check-object.ts';
import { type Issue, tooLongIssue } from '../stix/issue.ts';
import { isStricter } from '../stix/markings.ts';
import { formatMicros } from '../stix/timestamp.ts';
import type { AddOutcome, Micros, NewVersion, Store } from '../store/store.ts';
import type { Collection } from './api-roots.ts';
import type { Checker } from './checker.ts';
import type { Slice } from './receive.ts';

export interface WriteDeps {
  readonly store: Store;
  readonly checker: Checker;
  readonly now: () => Micros;
}

export interface Verdict {
  /** Place in what was received, from 0. */
  readonly index: number;
  /** Line of the text on which the object begins, from 1. */
  readonly line: number;
  readonly outcome: 'added' | 'duplicate' | 'failed';
  /** The object's id; without one, a JSON Pointer to where it stood. */
  readonly id: string;
  /** Its version; the time of its check when it failed without one. */
  readonly version: string;
  /** Why it failed. */
  readonly errors: readonly Issue[];
  readonly warnings: readonly Issue[];
}

export interface Incoming {
  readonly slices: AsyncIterable<Slice> | Iterable<Slice>;
  /** The beginnings of objects that were longer than allowed. */
  readonly tooLong: ReadonlyMap<number, string>;
  readonly maxObjectLength: number;
}

interface Checked {
  readonly index: number;
  readonly line: number;
  readonly text: string;
  readonly object: CheckedObject;
}

function tooLongObject(head: string, maxObjectLength: number): CheckedObject {
  const find = (member: string): string | null => new RegExp(`"${member}":"([^"\\\\]{1,256})"`).exec(head)?.[1] ?? null;
  return {
    id: find('id'),
    type: find('type'),
    version: find('modified') ?? find('created'),
    versionKey: null,
    digest: null,
    tlp: null,
    warnings: [],
    errors: [tooLongIssue(maxObjectLength)],
  };
}

/** What the collection asks beyond the standard: its ceiling (an unmarked object takes the ceiling). */
function withCeiling(object: CheckedObject, { tlpCeiling }: Collection): CheckedObject {
  if (tlpCeiling === undefined || object.tlp === null || !isStricter(object.tlp, tlpCeiling)) return object;
  const message = `The object is marked TLP:${object.tlp.toUpperCase()}, this collection takes TLP:${tlpCeiling.toUpperCase()} at most; publish it into a collection for its audience.`;
  return { ...object, errors: [...object.errors, { code: 'tlp-ceiling', path: '/object_marking_refs', message }] };
}

function toNewVersion({ text, object }: Checked): NewVersion {
  return {
    text,
    id: object.id as string,
    type: object.type as string,
    specVersion: '2.1',
    version: object.version,
    versionKey: object.versionKey,
    digest: object.digest,
  };
}

function conflict(object: CheckedObject): Issue {
  const path = object.versionKey === null ? '' : '/modified';
  const message =
    'Other content is stored under this id and version; it stays. To change the object, publish it with a later modified.';
  return { code: 'version-conflict', path, message };
}

function failed({ index, line, object }: Checked, errors: readonly Issue[], now: Micros): Verdict {
  return {
    index,
    line,
    outcome: 'failed',
    id: object.id ?? `/objects/${index}`,
    version: object.version ?? formatMicros(now),
    errors,
    warnings: object.warnings,
  };
}

function judged(checked: Checked, result: AddOutcome, now: Micros): Verdict {
  const { index, line, object } = checked;
  if (result.outcome === 'version-conflict') return failed(checked, [conflict(object)], now);
  return {
    index,
    line,
    outcome: result.outcome,
    id: object.id as string,
    version: object.version ?? formatMicros(result.dateAdded),
    errors: [],
    warnings: object.warnings,
  };
}

async function commit(
  deps: WriteDeps,
  collection: Collection,
  submitter: string,
  slice: readonly Checked[],
): Promise<Verdict[]> {
  const good = slice.filter(({ object }) => object.errors.length === 0);
  const results =
    good.length === 0 ? [] : await deps.store.addObjects(collection.id, submitter, good.map(toNewVersion));
  const resultOf = new Map(good.map(({ index }, place) => [index, results[place]]));
  const now = deps.now();
  return slice.map((checked) => {
    const result = resultOf.get(checked.index);
    return result === undefined ? failed(checked, checked.object.errors, now) : judged(checked, result, now);
  });
}

/**
 * Checks and stores everything, in order, and reports each slice's verdicts when they are durable. While one slice is
 * being committed the next is being checked. Objects of slices that were reported stay, whatever happens later.
 */
export async function writeObjects(
  deps: WriteDeps,
  target: { readonly collection: Collection; readonly submitter: string },
  incoming: Incoming,
  report: (verdicts: readonly Verdict[]) => void,
): Promise<void> {
  const { collection, submitter } = target;
  let index = 0;
  let writing: Promise<void> = Promise.resolve();

  async function check(slice: Slice): Promise<Checked[]> {
    const from = index;
    index += slice.count;
    const texts = slice.lines.toString().split('\n');
    const objects = await deps.checker.check(slice, collection.validation);
    return objects.map((object, place) => {
      const head = incoming.tooLong.get(from + place);
      const judgedObject =
        head === undefined ? withCeiling(object, collection) : tooLongObject(head, incoming.maxObjectLength);
      const line = slice.startLines[place] ?? 0;
      return { index: from + place, line, text: texts[place] as string, object: judgedObject };
    });
  }

  try {
    for await (const slice of incoming.slices) {
      const checked = await check(slice);
      await writing;
      writing = commit(deps, collection, submitter, checked).then(report);
      // Awaited above or below; until then a failure must not count as unhandled.
      writing.catch(() => undefined);
    }
  } finally {
    await writing;
  }
}
