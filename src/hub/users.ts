/** Users: who may log in, and with which roles. Kept as records of kind `user`, by name. */

import { randomBytes, randomUUID } from 'node:crypto';
import { OperatorError } from '../errors.ts';
import { suggest } from '../nearest.ts';
import type { Store, StoredRecord } from '../store/store.ts';
import { isName, isRole, nameRule, roleRule } from './names.ts';
import { findPasswordFault, hashPassword } from './passwords.ts';
import { changeRecord, walkRecords } from './records.ts';

const kind = 'user';
const adminName = 'admin';
const adminRole = 'admin';

/** As stored. */
interface UserDocument {
  readonly roles: readonly string[];
  readonly disabled: boolean;
  /** Hash of the password. */
  readonly password: string;
  /** Differs after each change of the password. */
  readonly credential: string;
  readonly created_at: string;
}

export interface User extends UserDocument {
  readonly name: string;
}

function isUserDocument(document: unknown): document is UserDocument {
  if (typeof document !== 'object' || document === null) return false;
  const { roles, disabled, password, credential, created_at } = document as Partial<Record<string, unknown>>;
  return (
    Array.isArray(roles) &&
    roles.every((role) => typeof role === 'string') &&
    typeof disabled === 'boolean' &&
    [password, credential, created_at].every((text) => typeof text === 'string')
  );
}

function parseDocument({ id, document }: StoredRecord): UserDocument {
  if (!isUserDocument(document)) throw new Error(`The stored user ${id} is damaged.`);
  return document;
}

const parsedUsers = new WeakMap<StoredRecord, User>();

/** A store gives the same record again as long as nothing has changed: then it is parsed once. */
function parseUser(record: StoredRecord): User {
  const known = parsedUsers.get(record);
  if (known !== undefined) return known;
  const user = Object.freeze({ name: record.id, ...parseDocument(record) });
  parsedUsers.set(record, user);
  return user;
}

function checkRoles(roles: readonly string[]): string[] {
  const wrong = roles.find((role) => !isRole(role));
  if (wrong !== undefined) throw new OperatorError(`${JSON.stringify(wrong)} is not a role: ${roleRule}`);
  return [...new Set(roles)].sort();
}

async function makePassword(password: string): Promise<Pick<UserDocument, 'password' | 'credential'>> {
  const fault = findPasswordFault(password);
  if (fault !== undefined) throw new OperatorError(`the password cannot be taken: ${fault}`);
  return { password: await hashPassword(password), credential: randomUUID() };
}

async function makeDocument(password: string, roles: readonly string[]): Promise<UserDocument> {
  return {
    roles: checkRoles(roles),
    disabled: false,
    ...(await makePassword(password)),
    created_at: new Date().toISOString(),
  };
}

// People, and the lists that they read, would take one for the other.
async function assertUnmistakable(store: Store, name: string): Promise<void> {
  for await (const { id } of walkRecords(store, kind)) {
    if (id === name || id.toLowerCase() !== name.toLowerCase()) continue;
    throw new OperatorError(
      `there is a user "${id}" already, and "${name}" differs in case alone: choose another name`,
    );
  }
}

/** Creates a user. Throws an OperatorError when the name is taken or something breaks the rules. */
export async function createUser(
  store: Store,
  name: string,
  password: string,
  roles: readonly string[],
): Promise<void> {
  if (!isName(name)) throw new OperatorError(`${JSON.stringify(name)} is not a user name: ${nameRule}`);
  await assertUnmistakable(store, name);
  const created = await store.putRecord(kind, name, 0, await makeDocument(password, roles), {});
  if (!created) throw takenName(name);
}

/** What to throw where a user is to get a name that another has. */
export function takenName(name: string): OperatorError {
  return new OperatorError(
    `the user "${name}" exists already; \`huiju user passwd\` and \`huiju user role\` change password and roles`,
  );
}

export async function findUser(store: Pick<Store, 'findRecord'>, name: string): Promise<User | undefined> {
  const record = await store.findRecord(kind, name);
  return record === undefined ? undefined : parseUser(record);
}

/** What to throw where there is no user of this name; it suggests the nearest that there is. */
export async function unknownUser(store: Store, name: string): Promise<OperatorError> {
  const names: string[] = [];
  for await (const { id } of walkRecords(store, kind)) names.push(id);
  const help = suggest(name, names) || '; `huiju user list` shows who there is';
  return new OperatorError(`there is no user ${JSON.stringify(name)}${help}`);
}

/** Every user, by name. */
export async function listUsers(store: Store): Promise<User[]> {
  const users: User[] = [];
  for await (const record of walkRecords(store, kind)) users.push(parseUser(record));
  return users;
}

async function changeUser(
  store: Store,
  name: string,
  change: (user: UserDocument) => Partial<UserDocument>,
): Promise<void> {
  const found = await changeRecord(store, kind, name, (record) => {
    const user = parseDocument(record);
    return { document: { ...user, ...change(user) }, keys: {} };
  });
  if (!found) throw await unknownUser(store, name);
}

/** Gives the user the roles that `choose` makes of the present ones, and resolves to them. */
export async function changeRoles(
  store: Store,
  name: string,
  choose: (roles: readonly string[]) => readonly string[],
): Promise<readonly string[]> {
  let chosen: readonly string[] = [];
  await changeUser(store, name, (user) => {
    chosen = checkRoles(choose(user.roles));
    return { roles: chosen };
  });
  return chosen;
}

/** A disabled user cannot log in, with neither password nor token, from the next request on. */
export async function setDisabled(store: Store, name: string, disabled: boolean): Promise<void> {
  await changeUser(store, name, () => ({ disabled }));
}

/** Changes the password; the old one is good for nothing from the next request on. */
export async function setPassword(store: Store, name: string, password: string): Promise<void> {
  const made = await makePassword(password);
  await changeUser(store, name, () => made);
}

function isWorkingAdmin(user: UserDocument): boolean {
  return user.roles.includes(adminRole) && !user.disabled;
}

/** Whether anybody can administer: an enabled user with the role `admin`. */
export async function hasWorkingAdmin(store: Store): Promise<boolean> {
  for await (const record of walkRecords(store, kind)) if (isWorkingAdmin(parseDocument(record))) return true;
  return false;
}

function describeUselessAdmin(user: User): string {
  const remedy = user.disabled ? `enable ${adminName}` : `role ${adminName} --add ${adminRole}`;
  const state = user.disabled ? 'is disabled' : `lacks the role ${adminRole}`;
  return `No enabled user has the role ${adminRole}, and the user ${adminName} ${state}. Run \`huiju user ${remedy}\`.`;
}

export interface EnsuredAdmin {
  /** Of the user `admin`, when it was created now. */
  readonly password?: string;
  /** Why nobody can administer, and the command that mends it. */
  readonly warning?: string;
}

/**
 * Makes sure that somebody can administer: creates the user `admin` with a random password when no enabled user has the
 * role, unless that name is taken. Of several processes that do so at once, one creates. `keep` gets the password; when
 * it fails the user is not created, since nobody would know how to log in.
 */
export async function ensureAdmin(
  store: Store,
  keep: (password: string) => Promise<void> = async () => undefined,
): Promise<EnsuredAdmin> {
  if (await hasWorkingAdmin(store)) return {};
  const password = randomBytes(18).toString('base64url');
  const document = await makeDocument(password, [adminRole]);
  if (await store.putRecord(kind, adminName, 0, document, {})) {
    try {
      await keep(password);
    } catch (error) {
      await store.deleteRecord(kind, adminName, 1);
      throw error;
    }
    return { password };
  }
  const existing = await findUser(store, adminName);
  return existing === undefined || isWorkingAdmin(existing) ? {} : { warning: describeUselessAdmin(existing) };
}
