import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { type Config, examineConfig } from '../config.ts';
import { listMistakes, OperatorError } from '../errors.ts';
import { findUser } from '../hub/users.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import { type ApiRoot, examineApiRoots } from '../taxii/api-roots.ts';
import { printLine } from './output.ts';

/** Who is named in audiences but is not in the store. A warning, since users may come later. */
async function findMissingUsers(store: Store, apiRoots: readonly ApiRoot[]): Promise<string[]> {
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

async function findUndeclared(store: Store, apiRoots: readonly ApiRoot[]): Promise<string[]> {
  const declared = new Set(apiRoots.flatMap(({ collections }) => collections.map(({ id }) => id)));
  const states = await store.listCollectionStates();
  return states
    .filter(({ collection, versions }) => versions > 0 && !declared.has(collection))
    .map(
      ({ collection, versions }) => `no file declares the collection ${collection}: its ${versions} objects are kept`,
    );
}

function findCertificateFault({ transport }: Config): string[] {
  if (transport.kind === 'http') return [];
  const { validToDate } = new X509Certificate(transport.cert);
  return validToDate.getTime() > Date.now() ? [] : [`the TLS certificate expired at ${validToDate.toISOString()}`];
}

async function findStoreWarnings(config: Config, apiRoots: readonly ApiRoot[]): Promise<string[]> {
  // Checking creates nothing: where there is no store yet, nothing can be amiss in it.
  if (!existsSync(config.store.path)) return [];
  const store = await openStore(config.store);
  try {
    return [...(await findMissingUsers(store, apiRoots)), ...(await findUndeclared(store, apiRoots))];
  } finally {
    await store.close();
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

async function check(): Promise<void> {
  const { config, mistakes } = examineConfig();
  const { apiRoots, mistakes: declarationMistakes } = examineApiRoots(config.collections);
  const all = [...mistakes, ...declarationMistakes];
  if (all.length > 0) throw new OperatorError(listMistakes(all));
  const warnings = [...findCertificateFault(config), ...(await findStoreWarnings(config, apiRoots))];
  for (const warning of warnings) process.stderr.write(`huiju: warning: ${warning}\n`);
  const collections = apiRoots.reduce((sum, root) => sum + root.collections.length, 0);
  printLine(`${count(apiRoots.length, 'API root')}, ${count(collections, 'collection')}`);
}

export function registerCheck(program: Command): void {
  program
    .command('check')
    .description('check the configuration and the files that declare API roots and collections')
    .action(check);
}
