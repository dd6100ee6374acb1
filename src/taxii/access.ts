/** Who may do what: the one place that decides it, for every endpoint and command (promise 6). */

import { TaxiiError } from '../errors.ts';
import type { ApiRoot, Collection } from './api-roots.ts';

export type Caller =
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'user';
      readonly name: string;
      readonly roles: readonly string[];
      /** The public id of the token that was the login; absent when it was a password. */
      readonly token?: string;
    };

export interface Rights {
  readonly read: boolean;
  readonly write: boolean;
}

function isAmong(caller: Caller, audience: readonly string[]): boolean {
  return audience.some((who) => {
    if (who === 'public') return true;
    if (caller.kind === 'anonymous') return false;
    if (who === 'members') return true;
    if (who.startsWith('role:')) return caller.roles.includes(who.slice('role:'.length));
    if (who.startsWith('user:')) return caller.name === who.slice('user:'.length);
    // `unit:` and `group:` match nobody: there are no units and groups yet.
    return false;
  });
}

export function isAdmin(caller: Caller): boolean {
  return caller.kind === 'user' && caller.roles.includes('admin');
}

/** What the caller may do in a collection. Neither right: the collection does not exist for this caller. */
export function rightsTo(caller: Caller, collection: Collection): Rights {
  if (isAdmin(caller)) return { read: true, write: true };
  return {
    read: isAmong(caller, collection.read),
    // Publishing needs a name: `public` is for readers only.
    write: caller.kind === 'user' && isAmong(caller, collection.write),
  };
}

/** Whether the caller may know of the collection. */
export function canSee(caller: Caller, collection: Collection): boolean {
  const { read, write } = rightsTo(caller, collection);
  return read || write;
}

/**
 * Whether the caller may know of the API root: when one of its collections is visible. A root without collections has
 * nothing to hide from a user.
 */
export function canSeeRoot(caller: Caller, root: ApiRoot): boolean {
  if (root.collections.length === 0) return caller.kind === 'user';
  return isAdmin(caller) || root.collections.some((collection) => canSee(caller, collection));
}

function isVisible(caller: Caller, root: ApiRoot | undefined): root is ApiRoot {
  return root !== undefined && canSeeRoot(caller, root);
}

/** One text for all that an anonymous caller may not know of, whether it exists or not. */
export const loginToSee =
  'Log in to see what is here: Basic with user name and password, or a token as Bearer or in X-Api-Key.';

function refuseUnknown(caller: Caller, what: string, listedAt: string): never {
  if (caller.kind === 'anonymous') throw new TaxiiError('login-required', loginToSee);
  throw new TaxiiError('not-found', `There is no ${what} that you may see. ${listedAt} lists those that there are.`);
}

// What a client sent goes back shortened: an answer must not grow with a hostile request.
function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}

/** The API root of this name. Throws 401 or 404 when the caller may not know of it. */
export function getRoot(roots: readonly ApiRoot[], caller: Caller, name: string): ApiRoot {
  const root = roots.find((candidate) => candidate.name === name);
  return isVisible(caller, root) ? root : refuseUnknown(caller, `API root ${quote(name)}`, '/taxii2/');
}

/**
 * The collection of this id or alias, for a caller who has all the rights in `need`. Throws 404 (401 for a caller
 * without login) when the caller may not know of it, 403 when it is visible and a right is missing.
 */
export function getCollection(
  root: ApiRoot,
  caller: Caller,
  idOrAlias: string,
  need: Partial<Rights> = {},
): { readonly collection: Collection; readonly rights: Rights } {
  const collection = root.collections.find(({ id, alias }) => id === idOrAlias || alias === idOrAlias);
  if (collection === undefined || !canSee(caller, collection)) {
    const what = `collection ${quote(idOrAlias)} in API root ${quote(root.name)}`;
    return refuseUnknown(caller, what, `/${root.name}/collections/`);
  }
  const rights = rightsTo(caller, collection);
  for (const right of ['read', 'write'] as const) {
    if (need[right] !== true || rights[right]) continue;
    if (caller.kind === 'anonymous') throw new TaxiiError('login-required', `Log in to ${right} here.`);
    throw new TaxiiError('not-permitted', `You may not ${right} in the collection ${JSON.stringify(idOrAlias)}.`);
  }
  return { collection, rights };
}
