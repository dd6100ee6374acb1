/** Mistakes that the simulation must find: each takes one thing from the algorithm that it rests on. */

import type { Document, FindOptions } from 'mongodb';
import type { Connection } from '../../src/store/mongo/connection.ts';
import { type Block, type CollectionDocument, stableSlotOf } from '../../src/store/mongo/documents.ts';
import type { Turns } from '../../src/store/mongo/turns.ts';
import type { Fault } from './server.ts';

const everySlot = Number.MAX_SAFE_INTEGER;

/** Finds all that was allocated, whether it is stable or not. */
function readAll(connection: Connection): Connection {
  const wrapped: Pick<Connection, 'collection'> = {
    collection(name) {
      const table = connection.collection(name);
      if (name !== 'collections') return table;
      const findOne = async (...given: Parameters<typeof table.findOne>) => {
        const found = await table.findOne(...given);
        return found && { ...found, open: [] };
      };
      return Object.assign(Object.create(table), { findOne });
    },
  };
  return { ...connection, ...wrapped };
}

/** Finds versions by other filters. */
function changeFinds(connection: Connection, change: (filter: Document) => Document): Connection {
  const wrapped: Pick<Connection, 'collection'> = {
    collection(name) {
      const table = connection.collection(name);
      if (name !== 'versions') return table;
      const find = (filter: Document, settings: FindOptions) => table.find(change(filter), settings);
      return Object.assign(Object.create(table), { find });
    },
  };
  return { ...connection, ...wrapped };
}

/** Lets others do much in between: what is wrong shows sooner. */
async function dawdle({ waitUntilStable }: Turns, name: string, reads: number): Promise<void> {
  for (let n = 0; n < reads; n += 1) await waitUntilStable(name, 0);
}

/** Changes versions by other updates. */
function changeWrites(connection: Connection, change: (update: Document) => Document): Connection {
  const wrapped: Pick<Connection, 'collection'> = {
    collection(name) {
      const table = connection.collection(name);
      if (name !== 'versions') return table;
      const bulkWrite = (operations: readonly Document[]) =>
        table.bulkWrite(
          operations.map(({ updateOne, ...rest }) =>
            updateOne === undefined
              ? (rest as never)
              : { updateOne: { ...updateOne, update: change(updateOne.update) } },
          ),
        );
      return Object.assign(Object.create(table), { bulkWrite });
    },
  };
  return { ...connection, ...wrapped };
}

export const faults: Readonly<Record<string, Fault>> = {
  // After a timeout others close the block, and trust that the owner does not write any more.
  'a lease in place of the fence': {
    unenforced: ['by_slot'],
    database: (database) => ({ ...database, fill: async () => {} }),
  },
  'fillers that are removed': {
    database: (database, model) => ({
      ...database,
      async close(...given) {
        await database.close(...given);
        model.remove('versions', ({ identity }) => String(identity).startsWith('filler@'));
      },
    }),
  },
  'reading past the stable slot': { reader: readAll },
  'slots by the clock alone': {
    database: (database) => ({
      ...database,
      openCollection: async (name) => ({ ...(await database.openCollection(name)), allocated: 0 }),
      async allocate(name, _, block) {
        const { allocated } = await database.openCollection(name);
        return database.allocate(name, allocated, block);
      },
    }),
  },
  'answers before the block is closed': {
    turns: (turns) => ({
      ...turns,
      waitForTurn: async () => {},
      async finishAdded(name: string, block: Block, ids: readonly string[]) {
        turns
          .waitForTurn(name, block)
          .then(() => turns.finishAdded(name, block, ids))
          .catch(() => {});
        return undefined;
      },
    }),
  },
  'nobody helps': { timing: (timing) => ({ ...timing, elapsed: () => 0 }) },
  'first and last are never changed': {
    database: (database) => ({ ...database, setFlags: async (_, changes) => changes.length }),
  },
  'first and last are changed after the block is closed': {
    database(database) {
      let late: Parameters<typeof database.setFlags>[] = [];
      return {
        ...database,
        async setFlags(...given) {
          late.push(given);
          return given[1].length;
        },
        async close(...given) {
          await database.close(...given);
          const now = late;
          late = [];
          for (const each of now) await database.setFlags(...each);
        },
      };
    },
  },
  'flags are written whatever their revision': {
    database: (database) => ({
      ...database,
      async setFlags(name, changes) {
        const versions = await database.findVersionsIn(name, 0, everySlot);
        const held = new Map(versions.map(({ dateAdded, revision }) => [dateAdded, revision]));
        const current = changes.map((each) => ({ ...each, revision: held.get(each.dateAdded) ?? each.revision }));
        return database.setFlags(name, current);
      },
    }),
  },
  'blocks are finished out of turn': {
    turns: (turns) => ({ ...turns, waitForTurn: async () => {} }),
  },
  'what is superseded is hidden before that is stable': {
    database: (database) => ({
      ...database,
      setFlags: (name, changes) =>
        database.setFlags(
          name,
          changes.map(({ flags, ...rest }) => ({ ...rest, flags: { ...flags, age: 'middle' } })),
        ),
    }),
  },
  'what is deleted goes before the rest has its flags': {
    database(database) {
      return {
        ...database,
        async setFlags(name, changes) {
          const { open, ...rest } = await database.openCollection(name);
          const [lowest] = open;
          const isDue = stableSlotOf({ open, ...rest }) + 1 === lowest?.from;
          if (isDue && lowest.deletion !== undefined) await database.removeVersions(name, lowest.deletion.versions);
          return database.setFlags(name, changes);
        },
      };
    },
  },
  'writes that are acknowledged when the primary has them': { isHasty: true },
  'a generation that a deletion leaves as it is until it is over': { generationOf: ({ generation }) => generation },
  'changes that are not stable yet': {
    reader: (connection) =>
      changeFinds(connection, ({ places, date_added, ...rest }) => {
        const isOfChanges = typeof places === 'object' && Array.isArray(places?.$in);
        const slots = isOfChanges ? { $gt: date_added.$gt, $lte: everySlot } : date_added;
        return {
          ...rest,
          ...(places !== undefined && { places }),
          ...(date_added !== undefined && { date_added: slots }),
        };
      }),
  },
  'tombstones that nobody finds': {
    reader: (connection) =>
      changeFinds(connection, (filter) =>
        Array.isArray(filter.places?.$in) ? { ...filter, places: { $in: ['all'] } } : filter,
      ),
  },
  'versions that come back because nobody looks again for what was deleted since': {
    turns: (turns) => ({
      ...turns,
      async useBlock(name, count, use, deletion) {
        await dawdle(turns, name, 40);
        return turns.useBlock(name, count, (block, before) => use(block, { ...before, allocated: 0 }), deletion);
      },
    }),
  },
  'versions that come back because nobody waits for a deletion under way': {
    decisions: (database) => ({
      ...database,
      async openCollection(name) {
        const { open, ...rest } = await database.openCollection(name);
        return { ...rest, open: open.map(({ from, to }) => ({ from, to })) };
      },
    }),
    turns: (turns) => ({
      ...turns,
      async finishDeleted(name, ...given) {
        await dawdle(turns, name, 40);
        return turns.finishDeleted(name, ...given);
      },
      useBlock: (name, count, use, deletion) =>
        turns.useBlock(name, count, (block, before) => use(block, { ...before, open: [] }), deletion),
    }),
  },
  'deletions that hold nothing back': { database: (database) => ({ ...database, findTombstonesOf: async () => [] }) },
  'deletions that keep nothing for snapshots': {
    database: (database) => ({
      ...database,
      keepVersions: (name, goneBySlot) => database.removeVersions(name, [...goneBySlot.keys()]),
    }),
  },
  'versions that are kept for snapshots under the revision that they had': {
    turns: (turns) => ({
      ...turns,
      async narrow(name, ...given) {
        await dawdle(turns, name, 12);
        return turns.narrow(name, ...given);
      },
    }),
    writer: (connection) =>
      changeWrites(connection, ({ $inc, ...update }) => ({
        ...update,
        ...($inc !== undefined && update.$set?.age !== 'kept' && { $inc }),
      })),
  },
  'snapshots that wait for no deletion': {
    holding: (holding) => ({
      ...holding,
      hold: async (name) => {
        const before = await holding.findDocument(name);
        await holding.hold(name);
        return before;
      },
    }),
  },
  'snapshots that believe the flags that are stored': {
    holding(holding) {
      let held: CollectionDocument | undefined;
      return {
        ...holding,
        async hold(name) {
          held = await holding.hold(name);
          return held;
        },
        findDocument: async (name) => held ?? holding.findDocument(name),
      };
    },
  },
};
