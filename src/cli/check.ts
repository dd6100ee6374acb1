import { X509Certificate } from 'node:crypto';
import type { Command } from 'commander';
import { type Config, examineConfig } from '../config.ts';
import { listMistakes, OperatorError } from '../errors.ts';
import { findStoreKeys } from '../hub/secrets.ts';
import { findUser } from '../hub/users.ts';
import { openGlimpse } from '../store/open-store.ts';
import type { StoreGlimpse } from '../store/store.ts';
import { type ApiRoot, examineApiRoots } from '../taxii/api-roots.ts';
import { formatCount } from '../text.ts';
import { printLine } from './output.ts';

/** Who is named in audiences but is not in the store. A warning, since users may come later. */
async function findMissingUsers(store: StoreGlimpse, apiRoots: readonly ApiRoot[]): Promise<string[]> {
  const places = new Map<string, string>();
  for (const { name, collections } of apiRoots) {
    for (const { title, read, write } of collections) {
      for (const who of [...read, ...write]) if (who.startsWith('user:')) places.set(who, `${title}, in ${name}`);
    }
  }
  const warnings: string[] = [];
  for (const [who, place] of places) {
    const user = who.slice('user:'.length);
    if ((await findUser(store, user)) === undefined) warnings.push(`there is no user ${user}, whom ${place}, names`);
  }
  return warnings;
}

async function findUndeclared(store: StoreGlimpse, apiRoots: readonly ApiRoot[]): Promise<string[]> {
  const declared = new Set(apiRoots.flatMap(({ collections }) => collections.map(({ id }) => id)));
  const states = await store.listCollectionStates();
  return states
    .filter(({ collection, versions }) => versions > 0 && !declared.has(collection))
    .map(
      ({ collection, versions }) =>
        `no file declares the collection ${collection}: it is not served, and its ${formatCount(versions, 'object')} kept`,
    );
}

function findCertificateFault({ transport }: Config): string[] {
  if (transport.kind === 'http') return [];
  const { validToDate } = new X509Certificate(transport.cert);
  return validToDate.getTime() > Date.now() ? [] : [`the TLS certificate expired at ${validToDate.toISOString()}`];
}

/** Looks into the store, where there is one, and changes nothing there. */
async function findStoreFaults(
  { store: location }: Config,
  apiRoots: readonly ApiRoot[],
  areAllDeclared: boolean,
): Promise<{ mistakes: readonly string[]; warnings: readonly string[] }> {
  let store: StoreGlimpse | undefined;
  try {
    store = await openGlimpse(location);
    if (store === undefined) return { mistakes: [], warnings: [] };
    const undeclared = areAllDeclared ? await findUndeclared(store, apiRoots) : [];
    return { mistakes: [], warnings: [...(await findMissingUsers(store, apiRoots)), ...undeclared] };
  } catch (error) {
    if (error instanceof OperatorError) return { mistakes: [error.message], warnings: [] };
    throw error;
  } finally {
    await store?.close();
  }
}

/** What is wrong with the key that seals secrets, where it lies beside the store. */
async function findKeyFaults({ secretKeys, store }: Config): Promise<string[]> {
  if (secretKeys !== undefined) return [];
  try {
    await findStoreKeys(store);
    return [];
  } catch (error) {
    if (error instanceof OperatorError) return [error.message];
    throw error;
  }
}

async function check(): Promise<void> {
  const { config, mistakes } = examineConfig();
  const { apiRoots, mistakes: declarationMistakes } = examineApiRoots(config.collections);
  const isRight = (variable: string): boolean => !mistakes.some((mistake) => mistake.startsWith(variable));
  // Where a file is wrong it is not known which collections are declared.
  const stored = isRight('HUIJU_STORE')
    ? await findStoreFaults(config, apiRoots, declarationMistakes.length === 0)
    : { mistakes: [], warnings: [] };
  const keyFaults = isRight('HUIJU_STORE') && isRight('HUIJU_SECRET_KEY_FILE') ? await findKeyFaults(config) : [];
  const expired = isRight('HUIJU_TLS') ? findCertificateFault(config) : [];
  for (const warning of [...expired, ...stored.warnings]) {
    process.stderr.write(`huiju: warning: ${warning}\n`);
  }
  const all = [...mistakes, ...declarationMistakes, ...stored.mistakes, ...keyFaults];
  if (all.length > 0) throw new OperatorError(listMistakes(all));
  const collections = apiRoots.reduce((sum, root) => sum + root.collections.length, 0);
  printLine(`${formatCount(apiRoots.length, 'API root')}, ${formatCount(collections, 'collection')}`);
}

export function registerCheck(program: Command): void {
  program
    .command('check')
    .description('check the configuration and the files that declare API roots and collections')
    .action(check);
}
