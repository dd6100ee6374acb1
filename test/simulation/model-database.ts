/**
 * MongoDB as the store may rely on it, and no better. A change of one document is atomic. A command over several is not:
 * its changes take effect one by one, in any order, and a find follows an index while others change it, so it may miss or
 * repeat a document whose key moves. Reads see what a majority has; changes, their filters and unique indexes see what
 * the primary has, and answer when a majority has it too. A failover takes back what no majority has; for a while some
 * processes may still take the deposed primary for the one that counts: they read what a majority had then, and what they
 * write is never acknowledged and nowhere later.
 */

import type { Document } from 'mongodb';
import type { Connection } from '../../src/store/mongo/connection.ts';
import { indexes } from '../../src/store/mongo/layout.ts';
import type { Process, Scheduler } from './scheduler.ts';

type Fields = Readonly<Record<string, unknown>>;
type Test = (document: Fields) => boolean;

/** A document; `key` is its record id, which no change alters. */
interface Entry {
  readonly key: number;
  readonly document: Fields;
}

interface Index {
  readonly fields: readonly string[];
  readonly isUnique: boolean;
}

interface Table {
  readonly name: string;
  readonly indexes: ReadonlyMap<string, Index>;
  primary: Map<number, Fields>;
  readonly majority: Map<number, Fields>;
}

/** A change of one document that not yet all of a majority have. */
interface Change {
  readonly table: Table;
  readonly key: number;
  readonly document: Fields;
}

/** What processes see that have not heard of a failover. */
interface Deposed {
  readonly until: number;
  /** When it was, as whoever judges counts moments. */
  readonly moment: number;
  readonly tables: ReadonlyMap<Table, ReadonlyMap<number, Fields>>;
}

/** Is told of each change when a majority has it: readers see it from then on. */
export type Observe = (table: string, before: Fields | undefined, after: Fields) => void;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as the driver gives it back: whole numbers are numbers, however they were sent. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isFields(value)) return value;
  if (typeof value.toNumber === 'function') return value.toNumber();
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}

function fieldsOf(value: unknown): Fields {
  const result = plain(value);
  if (!isFields(result)) throw new Error('the model takes documents only');
  return result;
}

const comparisons: Readonly<Record<string, (a: number | string, b: number | string) => boolean>> = {
  $gt: (a, b) => a > b,
  $gte: (a, b) => a >= b,
  $lt: (a, b) => a < b,
  $lte: (a, b) => a <= b,
};

function compileOperator(operator: string, operand: unknown): (value: unknown) => boolean {
  if (operator === '$in' && Array.isArray(operand)) return (value) => operand.includes(value);
  const compare = comparisons[operator];
  if (compare === undefined || (typeof operand !== 'number' && typeof operand !== 'string'))
    throw new Error(`the model does not know ${operator}`);
  // Values of different types do not compare.
  return (value) =>
    (typeof value === 'number' || typeof value === 'string') &&
    typeof value === typeof operand &&
    compare(value, operand);
}

/** The values of a path: those of each element where an array lies on it. */
function valuesAt(document: Fields, path: string): readonly unknown[] {
  const [name = '', rest] = path.split('.', 2);
  const value = document[name];
  if (rest === undefined) return [value];
  return Array.isArray(value) ? value.filter(isFields).map((each) => each[rest]) : [];
}

function compileField(path: string, condition: unknown): Test {
  const holds = isFields(condition)
    ? Object.entries(condition).map(([operator, operand]) => compileOperator(operator, operand))
    : [(value: unknown) => value === condition];
  const hasAll = (value: unknown): boolean => holds.every((hold) => hold(value));
  if (!path.includes('.')) return ({ [path]: value }) => (Array.isArray(value) ? value.some(hasAll) : hasAll(value));
  return (document) => valuesAt(document, path).some(hasAll);
}

function compileFilter(filter: Fields): Test {
  const tests = Object.entries(filter).map(([name, condition]): Test => {
    if (!name.startsWith('$')) return compileField(name, condition);
    if (!Array.isArray(condition)) throw new Error(`the model does not know ${name}`);
    const parts = condition.filter(isFields).map(compileFilter);
    if (name === '$and') return (document) => parts.every((part) => part(document));
    if (name === '$or') return (document) => parts.some((part) => part(document));
    throw new Error(`the model does not know ${name}`);
  });
  return (document) => tests.every((test) => test(document));
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

const updates: Readonly<Record<string, (value: unknown, operand: unknown) => unknown>> = {
  $set: (_, operand) => operand,
  $inc: (value, operand) => numberOf(value) + numberOf(operand),
  $max: (value, operand) => Math.max(numberOf(value), numberOf(operand)),
  $push: (value, operand) => [...(Array.isArray(value) ? value : []), operand],
  $pull: (value, operand) =>
    Array.isArray(value) && isFields(operand) ? value.filter((each) => !compileFilter(operand)(each)) : value,
};

/** Changes one field of an inner document. */
function changeInner(value: unknown, operator: string, name: string, operand: unknown): Fields {
  const { [name]: _, ...rest } = isFields(value) ? value : {};
  if (operator === '$set') return { ...rest, [name]: operand };
  if (operator === '$unset') return rest;
  throw new Error(`the model does not know ${operator} of an inner field`);
}

function applyUpdate(document: Fields, update: Fields): Fields {
  const changed: Record<string, unknown> = { ...document };
  for (const [operator, operands] of Object.entries(update)) {
    const inner = isFields(operands) ? Object.entries(operands).filter(([name]) => name.includes('.')) : [];
    for (const [path, operand] of inner) {
      const [name = '', field = ''] = path.split('.', 2);
      changed[name] = changeInner(changed[name], operator, field, operand);
    }
    if (inner.length > 0) continue;
    const apply = updates[operator];
    if (apply === undefined || !isFields(operands)) throw new Error(`the model does not know ${operator}`);
    for (const [name, operand] of Object.entries(operands)) changed[name] = apply(changed[name], operand);
  }
  return changed;
}

function project(document: Fields, projection: Fields | undefined): Fields {
  if (projection === undefined) return document;
  const included = Object.keys(projection).filter((name) => projection[name] === 1);
  if (included.length > 0)
    return Object.fromEntries(included.flatMap((name) => (name in document ? [[name, document[name]]] : [])));
  return Object.fromEntries(Object.entries(document).filter(([name]) => projection[name] !== 0));
}

function driverError(name: string, more: Fields): Error {
  const error = Object.assign(new Error(name), more);
  error.name = name;
  return error;
}

function compareValues(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : 1;
  return numberOf(a) - numberOf(b);
}

function compareBy(fields: readonly string[]) {
  return (a: Fields, b: Fields): number => {
    for (const field of fields) {
      const order = compareValues(a[field], b[field]);
      if (order !== 0) return order;
    }
    return 0;
  };
}

interface FindSettings {
  readonly sort?: Readonly<Record<string, number>>;
  readonly limit?: number;
  readonly projection?: Fields;
  readonly hint?: string;
}

// Long enough for others to finish a block meanwhile.
const longestYieldMs = 120;

/** The entries that an index has of documents: where a field is a list, one for each item that the filter asks for. */
function entriesIn(found: readonly Entry[], fields: readonly string[], filter: Fields): Entry[] {
  return found.flatMap((entry) => {
    const field = fields.find((name) => Array.isArray(entry.document[name]));
    if (field === undefined) return [entry];
    const matches = field in filter ? compileField(field, filter[field]) : () => true;
    const items = entry.document[field] as readonly unknown[];
    return items
      .filter((item) => matches({ [field]: item }))
      .map((item) => ({ key: entry.key, document: { ...entry.document, [field]: item } }));
  });
}

/** Follows one range of an index after the other: behind a yield, from the key that it had come to. */
function scanInTurn(
  before: readonly Entry[],
  after: readonly Entry[],
  fields: readonly string[],
  cut: number,
): Entry[] {
  const compare = compareBy(fields);
  const byKey = (a: Entry, b: Entry) => compare(a.document, b.document);
  const seen = [...before].sort(byKey).slice(0, cut);
  const last = seen.at(-1);
  const rest = after.filter((entry) => last === undefined || compare(entry.document, last.document) > 0);
  return [...seen, ...rest.sort(byKey)];
}

/** Merges the ranges of an index in order of its last field: behind a yield, each from the head that it has read. */
function scanMerged(
  before: readonly Entry[],
  after: readonly Entry[],
  fields: readonly string[],
  cut: number,
): Entry[] {
  const [sort = '', ...prefix] = [...fields].reverse();
  const byKey = (a: Entry, b: Entry) => compareValues(a.document[sort], b.document[sort]);
  const rangeOf = ({ document }: Entry) => prefix.map((field) => document[field]).join('|');
  const ordered = [...before].sort(byKey);
  const seen = ordered.slice(0, cut);
  if (seen.length === 0) return [...after].sort(byKey);
  const heads = new Map<string, Entry>();
  for (const entry of ordered.slice(cut)) if (!heads.has(rangeOf(entry))) heads.set(rangeOf(entry), entry);
  const started = new Set(ordered.map(rangeOf));
  // A range that was at its end stays there; so does one that had nothing.
  const rest = after.filter((entry) => {
    const head = heads.get(rangeOf(entry));
    return started.has(rangeOf(entry)) && head !== undefined && byKey(entry, head) > 0;
  });
  const merged = [...seen, ...[...heads.values(), ...rest].sort(byKey)];
  // A merge returns no record twice.
  return [...new Map(merged.reverse().map((entry) => [entry.key, entry])).values()].reverse();
}

/** The part of an index that finds the filter's documents and, with a sort, in its order. */
function usableFields(index: Index, filter: Fields, sort: string | undefined): readonly string[] | undefined {
  const { fields } = index;
  const { $or: parts, ...rest } = filter;
  // Each part is looked up by itself.
  if (Array.isArray(parts) && Object.keys(rest).length === 0)
    return parts.every((part) => usableFields(index, part, sort) !== undefined) ? fields : undefined;
  if (sort === undefined) {
    const [first = '', second = ''] = fields;
    return first in filter && (second in filter || fields.length === 1) ? fields : undefined;
  }
  const at = fields.indexOf(sort);
  return at >= 0 && fields.slice(0, at).every((field) => field in filter) ? fields.slice(0, at + 1) : undefined;
}

export type ModelDatabase = ReturnType<typeof createModelDatabase>;

export interface ModelOptions {
  /** Names of unique indexes that are not enforced: faults for the simulation to find. */
  readonly unenforced?: readonly string[];
  /** Writes are acknowledged when the primary has them: another fault. */
  readonly isHasty?: boolean;
  readonly observe: Observe;
  /** The moment of now, for whoever judges. */
  readonly moment: () => number;
}

export function createModelDatabase(
  scheduler: Scheduler,
  { unenforced = [], isHasty = false, observe, moment }: ModelOptions,
) {
  const { chance, between, pick, random } = scheduler;
  const tables = new Map<string, Table>();
  const connected = new Set<Process>();
  const deposed = new Map<Process, Deposed>();
  let log: Change[] = [];
  let term = 0;
  let nextKey = 1;

  function tableOf(name: string): Table {
    const found = tables.get(name);
    if (found !== undefined) return found;
    const declared: Readonly<Record<string, Readonly<Record<string, { key: Fields; unique?: boolean }>>>> = indexes;
    const list = new Map<string, Index>([['_id', { fields: ['_id'], isUnique: true }]]);
    for (const [index, { key, unique = false }] of Object.entries(declared[name] ?? {}))
      list.set(index, { fields: Object.keys(key), isUnique: unique && !unenforced.includes(index) });
    const table = { name, indexes: list, primary: new Map(), majority: new Map() };
    tables.set(name, table);
    return table;
  }

  function isTaken(table: Table, document: Fields, except: number): boolean {
    for (const { fields, isUnique } of table.indexes.values()) {
      if (!isUnique || !fields.every((field) => field in document)) continue;
      for (const [key, other] of table.primary)
        if (key !== except && fields.every((field) => other[field] === document[field])) return true;
    }
    return false;
  }

  /** Writes a document on the primary; false when a unique key is taken. */
  function write(table: Table, key: number, document: Fields): boolean {
    if (isTaken(table, document, key)) return false;
    table.primary.set(key, document);
    log.push({ table, key, document });
    return true;
  }

  function insert(table: Table, document: Fields): boolean {
    nextKey += 1;
    return write(table, nextKey, document);
  }

  /** Changes the first document that matches; says whether one did. */
  function change(table: Table, matches: Test, update: (document: Fields) => Fields): boolean {
    for (const [key, document] of table.primary) {
      if (!matches(document)) continue;
      if (!write(table, key, update(document))) throw new Error('the model changes no unique key to a taken one');
      return true;
    }
    return false;
  }

  /** Brings the first changes of the log to a majority. */
  function commit(count: number): void {
    for (const { table, key, document } of log.splice(0, count)) {
      const before = table.majority.get(key);
      table.majority.set(key, document);
      observe(table.name, before, document);
    }
  }

  /** Another primary, which has what a majority has. */
  function failOver(): void {
    term += 1;
    log = [];
    for (const table of tables.values()) table.primary = new Map(table.majority);
    const left = new Map([...tables.values()].map((table) => [table, new Map(table.majority)]));
    // Nobody who knows the newer one goes back to an older.
    for (const process of connected)
      if (chance(0.4) && !deposed.has(process))
        deposed.set(process, { until: scheduler.time() + random() * 3_000, moment: moment(), tables: left });
  }

  /** The deposed primary that a process still takes for the one that counts. */
  function findDeposed(process: Process): Deposed | undefined {
    const found = deposed.get(process);
    if (found !== undefined && scheduler.time() > found.until) deposed.delete(process);
    return deposed.get(process);
  }

  /** Answers when all that the primary has now is with a majority, as a write concern does for changes without effect too. */
  function createWrite(process: Process, steps: readonly (() => void)[]) {
    // A deposed primary takes what was on its way when it was deposed, and what comes later: nobody ever sees that.
    let begun: 'unsent' | 'deposed' | number = 'unsent';
    return {
      steps: steps.map((step) => () => {
        if (begun === 'unsent') begun = findDeposed(process) === undefined ? term : 'deposed';
        if (begun === term) step();
      }),
      settle(done: (error?: Error) => void) {
        const last = log.at(-1);
        if (isHasty && begun !== 'deposed') return done();
        scheduler.after(random() * 5, 'majority', () => {
          const lost = begun !== term;
          if (!lost && last !== undefined) commit(log.indexOf(last) + 1);
          // Some errors make the driver look for the primary again.
          if (lost && chance(0.5)) deposed.delete(process);
          done(lost ? driverError('MongoNetworkError', { message: 'not primary' }) : undefined);
        });
      },
    };
  }

  function shuffle<T>(list: readonly T[]): T[] {
    return list
      .map((value) => ({ value, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ value }) => value);
  }

  /** One unordered command over several documents: each step says what it has found. */
  function sendMany(process: Process, label: string, changes: readonly (() => boolean)[]): Promise<readonly boolean[]> {
    const results: boolean[] = [];
    const steps = changes.map((each, n) => () => {
      results[n] = each();
    });
    return scheduler.send(process, { label, ...createWrite(process, shuffle(steps)), answer: () => results });
  }

  function matching(process: Process, table: Table, matches: Test): Entry[] {
    const found: Entry[] = [];
    for (const [key, document] of findDeposed(process)?.tables.get(table) ?? table.majority)
      if (matches(document)) found.push({ key, document });
    return found;
  }

  function chooseFields(table: Table, filter: Fields, { sort, hint }: FindSettings): readonly string[] {
    const [field] = Object.keys(sort ?? {});
    const hinted = hint === undefined ? [...table.indexes] : [...table.indexes].filter(([name]) => name === hint);
    const usable = hinted.flatMap(([, index]) => {
      const fields = usableFields(index, filter, field);
      return fields === undefined ? [] : [fields];
    });
    if (usable.length === 0) throw new Error(`no index of ${table.name} finds ${JSON.stringify(filter)}`);
    return pick(usable);
  }

  async function find(process: Process, table: Table, given: unknown, settings: FindSettings): Promise<Fields[]> {
    const filter = fieldsOf(given);
    const fields = chooseFields(table, filter, settings);
    const matches = compileFilter(filter);
    const scan = settings.sort === undefined ? scanInTurn : scanMerged;
    const yields = chance(0.2);
    let before: Entry[] | undefined;
    let found: Entry[] = [];
    const begin = () => {
      before = entriesIn(matching(process, table, matches), fields, filter);
    };
    const finish = () => {
      const after = entriesIn(matching(process, table, matches), fields, filter);
      const start = before ?? after;
      found = scan(start, after, fields, yields ? between(0, start.length) : start.length);
    };
    await scheduler.send(process, {
      label: `find ${table.name}`,
      steps: yields ? [begin, finish] : [finish],
      pause: longestYieldMs,
      settle: (done) => done(),
      answer: () => undefined,
    });
    const { limit = 0, projection } = settings;
    const page = limit > 0 ? found.slice(0, limit) : found;
    return page.map(({ document }) => project(document, projection));
  }

  function createCursor(process: Process, table: Table, filter: unknown, settings: FindSettings) {
    let buffer: Fields[] | undefined;
    return {
      toArray: () => find(process, table, filter, settings),
      async hasNext() {
        buffer ??= await find(process, table, filter, settings);
        return buffer.length > 0;
      },
      readBufferedDocuments: () => buffer?.splice(0) ?? [],
      close: async () => {},
    };
  }

  function toChange(table: Table, operation: unknown): () => boolean {
    const { updateOne, replaceOne } = fieldsOf(operation);
    if (isFields(updateOne)) {
      const { filter, update } = updateOne;
      const matches = compileFilter(fieldsOf(filter));
      return () => change(table, matches, (document) => applyUpdate(document, fieldsOf(update)));
    }
    if (!isFields(replaceOne)) throw new Error('the model knows updateOne and replaceOne');
    const matches = compileFilter(fieldsOf(replaceOne.filter));
    return () => change(table, matches, () => fieldsOf(replaceOne.replacement));
  }

  /** What the store uses of the driver's collections. */
  function createCollection(process: Process, table: Table) {
    return {
      find: (filter: unknown, settings: FindSettings = {}) => createCursor(process, table, filter, settings),
      async findOne(filter: unknown, settings: FindSettings = {}) {
        return (await find(process, table, filter, { ...settings, limit: 1 }))[0] ?? null;
      },
      async insertOne(document: unknown) {
        const label = `insert ${table.name}`;
        const [isNew] = await sendMany(process, label, [() => insert(table, fieldsOf(document))]);
        if (isNew !== true) throw driverError('MongoServerError', { code: 11000 });
      },
      async insertMany(documents: readonly unknown[]) {
        const label = `insert ${documents.length} ${table.name}`;
        const list = documents.map(fieldsOf);
        const results = await sendMany(
          process,
          label,
          list.map((each) => () => insert(table, each)),
        );
        const writeErrors = results.flatMap((isNew, index) => (isNew ? [] : [{ code: 11000, index }]));
        if (writeErrors.length > 0) throw driverError('MongoBulkWriteError', { code: 11000, writeErrors });
      },
      async updateOne(filter: unknown, update: unknown) {
        const label = `update ${table.name}`;
        const [isMatched] = await sendMany(process, label, [toChange(table, { updateOne: { filter, update } })]);
        return { matchedCount: isMatched === true ? 1 : 0 };
      },
      async bulkWrite(operations: readonly unknown[]) {
        const label = `write ${operations.length} ${table.name}`;
        const results = await sendMany(
          process,
          label,
          operations.map((each) => toChange(table, each)),
        );
        return { matchedCount: results.filter(Boolean).length };
      },
      // Of readers that are dead or done: nothing rests on it that they go.
      async deleteOne() {},
      async deleteMany() {},
    };
  }

  return {
    /** The connection of a process. It has what the store uses to change and find objects, and nothing else. */
    connect(process: Process): Connection {
      connected.add(process);
      const connection = {
        collection: <T extends Document>(name: string) =>
          createCollection(process, tableOf(name)) satisfies Partial<
            Record<keyof import('mongodb').Collection<T>, unknown>
          >,
        close: async () => {},
      };
      return connection as unknown as Connection;
    },
    failOver,
    /** From when on a process may see what it sees; undefined: from now on. */
    findMoment: (process: Process) => findDeposed(process)?.moment,
    /** Everybody has heard of the last failover. */
    endFailovers: () => deposed.clear(),
    /** All documents that a majority has. */
    list: (name: string): readonly Fields[] => [...tableOf(name).majority.values()],
    /** Removes documents behind everyone's back, as only a fault can. */
    remove(name: string, matches: Test): void {
      const table = tableOf(name);
      for (const documents of [table.primary, table.majority])
        for (const [key, document] of documents) if (matches(document)) documents.delete(key);
    },
  };
}
