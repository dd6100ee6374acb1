import type { Command } from 'commander';
import { formatMicros } from '../stix/timestamp.ts';
import type { CollectionState } from '../store/store.ts';
import { type ApiRoot, type Collection, loadApiRoots } from '../taxii/api-roots.ts';
import { formatBytes, formatSpan } from '../text.ts';
import { printList } from './output.ts';
import { withStore } from './with-store.ts';

/** A collection as `--json` shows it. */
interface Listed {
  /** Null together with the other things that files say, when no file declares the collection. */
  readonly api_root: string | null;
  readonly id: string;
  readonly alias: string | null;
  readonly title: string | null;
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** After which time versions go; null: they stay. */
  readonly expire_after: string | null;
  /** Versions that are held now. */
  readonly objects: number;
  readonly bytes: number;
  /** Of the newest that was ever added, deleted since or not; null: nothing ever was. */
  readonly last_date_added: string | null;
}

function describe(
  root: ApiRoot | undefined,
  collection: Pick<Collection, 'id' | 'read' | 'write'> & Partial<Collection>,
  state: CollectionState | undefined,
): Listed {
  const highWater = state?.highWater ?? 0;
  return {
    api_root: root?.name ?? null,
    id: collection.id,
    alias: collection.alias ?? null,
    title: collection.title ?? null,
    read: collection.read,
    write: collection.write,
    expire_after: collection.expireAfter === undefined ? null : formatSpan(collection.expireAfter),
    objects: state?.versions ?? 0,
    bytes: state?.bytes ?? 0,
    last_date_added: highWater === 0 ? null : formatMicros(highWater),
  };
}

/** Declared collections in the order of the files, then those that no file declares any more. */
function listCollections(roots: readonly ApiRoot[], states: readonly CollectionState[]): Listed[] {
  const left = new Map(states.map((state) => [state.collection, state]));
  const declared = roots.flatMap((root) =>
    root.collections.map((collection) => {
      const state = left.get(collection.id);
      left.delete(collection.id);
      return describe(root, collection, state);
    }),
  );
  const others = [...left].map(([id, state]) => describe(undefined, { id, read: [], write: [] }, state));
  return [...declared, ...others];
}

function toRow(listed: Listed): string[] {
  const { api_root, id, alias, title, read, write, expire_after, objects, bytes, last_date_added } = listed;
  return [
    api_root ?? '–',
    alias ?? '–',
    id,
    read.join(',') || '–',
    write.join(',') || '–',
    objects.toLocaleString('en-US'),
    formatBytes(bytes),
    last_date_added ?? 'never',
    expire_after ?? 'never',
    title ?? 'no file declares it: not served, and kept',
  ];
}

async function printCollections({ json }: { json?: true }): Promise<void> {
  const listed = await withStore(async (store, config) =>
    listCollections(loadApiRoots(config.collections), await store.listCollectionStates()),
  );
  const heading = ['ROOT', 'ALIAS', 'ID', 'READ', 'WRITE', 'OBJECTS', 'BYTES', 'LAST ADDED', 'EXPIRE AFTER', 'TITLE'];
  printList(listed, json === true, heading, listed.map(toRow));
}

export function registerCollection(program: Command): void {
  const collection = program.command('collection').description('what the collections hold, and who may use them');
  collection
    .command('list')
    .description('list the collections, also those that left the files')
    .option('--json', 'as JSON')
    .action(printCollections);
}
