/**
 * The one door by which objects enter, from HTTP, an import or a feed: what was received is checked slice by slice off
 * the main thread and committed slice by slice, each object with a verdict of its own.
 */

import type { CheckedObject } from '../stix/check-object.ts';
import type { RegisteredExtensions } from '../stix/extensions.ts';
import { type Fault, type Issue, type Language, type Text, tooLongIssue } from '../stix/issue.ts';
import { isStricter, type TlpLevel } from '../stix/markings.ts';
import { quoted } from '../stix/pointer.ts';
import { formatMicros } from '../stix/timestamp.ts';
import type { AddOutcome, Delivery, Micros, NewVersion, Store } from '../store/store.ts';
import type { Collection } from './api-roots.ts';
import type { Checker } from './checker.ts';
import { type Slice, textsOf } from './receive.ts';

export interface WriteDeps {
  readonly store: Store;
  readonly checker: Checker;
  /** What is registered now; asked once for each publication. */
  readonly registeredExtensions: () => Promise<RegisteredExtensions>;
  readonly now: () => Micros;
}

export interface Verdict {
  /** Place in what was received, from 0. */
  readonly index: number;
  /** Line of the text on which the object begins, from 1. */
  readonly line: number;
  readonly outcome: 'added' | 'duplicate' | 'withheld' | 'failed';
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

export interface WriteTarget {
  readonly collection: Collection;
  readonly submitter: string;
  /** Of what the verdicts say. */
  readonly language: Language;
  /** Where the objects come from, and whether what was deleted stays away. */
  readonly delivery?: Delivery;
  /** The strictest marking that is taken, where that is less than the collection takes. */
  readonly ceiling?: TlpLevel;
  /** What an object without a marking counts as; absent: one that every ceiling lets pass. */
  readonly unmarkedAs?: TlpLevel;
}

/** Usual slices don't come near it. Of those that hold a very long object two are under way at a time. */
const maxBytesUnderWay = 2 * 1024 * 1024;

interface Checked {
  readonly index: number;
  readonly line: number;
  readonly object: CheckedObject;
}

function tooLongObject(head: string, maxObjectLength: number, language: Language): CheckedObject {
  const find = (member: string): string | null => new RegExp(`"${member}":"([^"\\\\]{1,256})"`).exec(head)?.[1] ?? null;
  return {
    id: find('id'),
    type: find('type'),
    version: find('modified') ?? find('created'),
    versionKey: null,
    digest: null,
    tlp: null,
    warnings: [],
    errors: [tooLongIssue(maxObjectLength, language)],
  };
}

/** The lower of the two ceilings, of the collection and of the target itself; undefined: there is none. */
function ceilingOf({ collection: { tlpCeiling }, ceiling }: WriteTarget): TlpLevel | undefined {
  if (tlpCeiling === undefined || ceiling === undefined) return ceiling ?? tlpCeiling;
  return isStricter(tlpCeiling, ceiling) ? ceiling : tlpCeiling;
}

function ceilingText(marked: TlpLevel | null, counted: TlpLevel, allowed: TlpLevel): Text {
  const [found, most] = [`TLP:${counted.toUpperCase()}`, `TLP:${allowed.toUpperCase()}`];
  const [en, zh] =
    marked === null
      ? [`The object is not marked, which counts as ${found} here`, `对象未作标记，在此按 ${found} 处理`]
      : [`The object is marked ${found}`, `对象标记为 ${found}`];
  return {
    en: `${en}, and ${most} at most is taken; publish it into a collection for its audience.`,
    zh: `${zh}，而最多接受 ${most}；请发布到面向其受众的集合。`,
  };
}

/** What is asked beyond the standard: the ceiling. */
function withCeiling(object: CheckedObject, target: WriteTarget): CheckedObject {
  const ceiling = ceilingOf(target);
  const level = object.tlp ?? target.unmarkedAs;
  if (ceiling === undefined || level === undefined || !isStricter(level, ceiling)) return object;
  const message = ceilingText(object.tlp, level, ceiling)[target.language];
  return { ...object, errors: [...object.errors, { code: 'tlp-ceiling', path: '/object_marking_refs', message }] };
}

function toNewVersion(text: string, object: CheckedObject): NewVersion {
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

type Refused = Exclude<AddOutcome, { readonly outcome: 'added' | 'duplicate' | 'withheld' }>;

/** What is said of an object that the collection, as it is, has no room for. */
const refusals: Readonly<Record<Refused['outcome'], Fault>> = {
  'version-conflict': {
    code: 'version-conflict',
    path: '/modified',
    text: {
      en: 'Other content is stored under this id and version; it stays. To change the object, publish it with a later modified.',
      zh: '此 id 和版本下已存有不同内容，原内容保留；要修改对象，请以更晚的 modified 发布。',
    },
  },
  'other-creator': {
    code: 'STIX-3.6-other-creator',
    path: '/created_by_ref',
    text: {
      en: 'The collection holds this object with another created_by_ref, or only one of the two has any, and nobody but its creator makes versions of an object; keep created_by_ref as it was, or publish a new object with an id of its own and a derived-from relationship to this one.',
      zh: '集合中此对象的 created_by_ref 与此不同（或其中之一没有），只有对象的创建者可以发布新版本；请保持 created_by_ref 不变，或以新的 id 发布新对象，并用 derived-from 关系指向此对象。',
    },
  },
  'created-changed': {
    code: 'STIX-3.6-created-changed',
    path: '/created',
    text: {
      en: 'The collection holds this object with another created, which is the same in all versions of an object; keep created as it was, or publish a new object with an id of its own and a derived-from relationship to this one.',
      zh: '集合中此对象的 created 与此不同，而同一对象各版本的 created 必须相同；请保持 created 不变，或以新的 id 发布新对象，并用 derived-from 关系指向此对象。',
    },
  },
  revoked: {
    code: 'STIX-3.6-revoked',
    path: '/modified',
    text: {
      en: 'A version before this one is revoked, which is final; publish a new object with an id of its own, and a derived-from relationship to this one.',
      zh: '此版本之前的版本已被撤销（revoked），撤销不可更改；请以新的 id 发布新对象，并用 derived-from 关系指向此对象。',
    },
  },
};

function isRefused(result: AddOutcome): result is Refused {
  return result.outcome in refusals;
}

function refusalIssue(refused: Refused, { version }: CheckedObject, language: Language): Issue {
  const { code, path, text } = refusals[refused.outcome];
  const given = refused.outcome === 'version-conflict' ? version : refused.given;
  return { code, path, ...(given !== null && { value: quoted(given) }), message: text[language] };
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

function judged(checked: Checked, result: AddOutcome, now: Micros, language: Language): Verdict {
  const { index, line, object } = checked;
  if (isRefused(result)) return failed(checked, [refusalIssue(result, object, language)], now);
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

/**
 * Stores the valid objects of a slice. Their texts are made here and let go as soon as they are on their way: a function
 * that waits would hold on to them.
 */
function addValid(
  { store }: WriteDeps,
  { collection, submitter, delivery }: WriteTarget,
  slice: Slice,
  checked: readonly Checked[],
): Promise<AddOutcome[]> {
  const texts = textsOf(slice.lines);
  const versions = checked.flatMap(({ object }, place) =>
    object.errors.length === 0 ? [toNewVersion(texts[place] as string, object)] : [],
  );
  return versions.length === 0 ? Promise.resolve([]) : store.addObjects(collection.id, submitter, versions, delivery);
}

async function commit(
  deps: WriteDeps,
  target: WriteTarget,
  slice: Slice,
  checked: readonly Checked[],
): Promise<Verdict[]> {
  const { language } = target;
  const results = await addValid(deps, target, slice, checked);
  const now = deps.now();
  let stored = 0;
  return checked.map((one) => {
    if (one.object.errors.length > 0) return failed(one, one.object.errors, now);
    const result = results[stored] as AddOutcome;
    stored += 1;
    return judged(one, result, now, language);
  });
}

/**
 * Checks and stores everything, in order, and reports each slice's verdicts when they are durable. While one slice is
 * being committed the next are being checked. Objects of slices that were reported stay, whatever happens later. When it
 * fails nothing is under way any more.
 */
export async function writeObjects(
  deps: WriteDeps,
  target: WriteTarget,
  incoming: Incoming,
  report: (verdicts: readonly Verdict[]) => void,
): Promise<void> {
  const { collection, language } = target;
  const terms = { policy: collection.validation, language, registered: await deps.registeredExtensions() };
  let index = 0;
  let written: Promise<void> = Promise.resolve();

  async function check(slice: Slice): Promise<Checked[]> {
    const from = index;
    index += slice.count;
    const objects = await deps.checker.check(slice, terms);
    return objects.map((object, place) => {
      const head = incoming.tooLong.get(from + place);
      const judgedObject =
        head === undefined ? withCeiling(object, target) : tooLongObject(head, incoming.maxObjectLength, language);
      const line = slice.startLines[place] ?? 0;
      return { index: from + place, line, object: judgedObject };
    });
  }

  async function write(slice: Slice, before: Promise<void>): Promise<void> {
    // Both, so that neither fails unheard; and none is stored behind one that was not.
    const [checked] = await Promise.all([check(slice), before]);
    report(await commit(deps, target, slice, checked));
  }

  const underWay: Promise<void>[] = [];
  let bytesUnderWay = 0;
  const isFull = (): boolean =>
    underWay.length > deps.checker.ahead || (underWay.length > 1 && bytesUnderWay > maxBytesUnderWay);

  try {
    for await (const slice of incoming.slices) {
      bytesUnderWay += slice.lines.length;
      written = write(slice, written).finally(() => {
        bytesUnderWay -= slice.lines.length;
      });
      // Awaited below; until then a failure must not count as unhandled.
      written.catch(() => undefined);
      underWay.push(written);
      while (isFull()) await underWay.shift();
    }
  } finally {
    // A check may fail before what precedes it is stored.
    await Promise.allSettled(underWay);
    await written;
  }
}
