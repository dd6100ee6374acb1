/** Which database stands behind a MongoDB URL: only of MongoDB itself are numbers of any meaning. */

import { MongoClient } from 'mongodb';

export interface DatabaseEngine {
  readonly name: string;
  /** A `mongod` with its own storage engine, and not something that speaks its protocol. */
  readonly isMongod: boolean;
}

/** Tells an engine from the answer to `buildInfo`. */
export function engineOf(buildInfo: Readonly<Record<string, unknown>>): DatabaseEngine {
  const { version, storageEngines } = buildInfo;
  const isForeign = Object.keys(buildInfo).some((key) => /ferret|documentdb|cosmos/i.test(key));
  const isMongod = !isForeign && Array.isArray(storageEngines) && storageEngines.includes('wiredTiger');
  return { name: isMongod ? `MongoDB ${version}` : `an engine that is no mongod (it says ${version})`, isMongod };
}

export async function findEngineOf(server: string): Promise<DatabaseEngine> {
  const client = await new MongoClient(server, { serverSelectionTimeoutMS: 10_000 }).connect();
  try {
    return engineOf(await client.db('admin').command({ buildInfo: 1 }));
  } finally {
    await client.close();
  }
}
