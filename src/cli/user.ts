import { type Command, InvalidArgumentError } from 'commander';
import type { Config } from '../config.ts';
import { isName, isRole, nameRule, roleRule } from '../hub/names.ts';
import {
  changeRoles,
  createUser,
  findUser,
  hasWorkingAdmin,
  listUsers,
  setDisabled,
  setPassword,
  takenName,
  unknownUser,
} from '../hub/users.ts';
import { suggest } from '../nearest.ts';
import { formatMicros } from '../stix/timestamp.ts';
import type { Store } from '../store/store.ts';
import { examineApiRoots } from '../taxii/api-roots.ts';
import { printLine, printList } from './output.ts';
import { readPassword } from './password-input.ts';
import { withStore } from './with-store.ts';

function parseName(text: string): string {
  if (!isName(text)) throw new InvalidArgumentError(`${nameRule[0]?.toUpperCase()}${nameRule.slice(1)}.`);
  return text;
}

function collectRole(text: string, roles: readonly string[] = []): string[] {
  if (!isRole(text)) throw new InvalidArgumentError(`${roleRule[0]?.toUpperCase()}${roleRule.slice(1)}.`);
  return [...roles, text];
}

function describeRoles(roles: readonly string[]): string {
  return roles.length === 0 ? 'no role' : `the role${roles.length === 1 ? '' : 's'} ${roles.join(', ')}`;
}

/** A role that nothing asks for may be a slip, or meant for later: a warning. */
function warnOfUnknownRoles(roles: readonly string[], { collections }: Config): void {
  const { apiRoots } = examineApiRoots(collections);
  const named = apiRoots.flatMap((root) => root.collections.flatMap(({ read, write }) => [...read, ...write]));
  const asked = named.filter((who) => who.startsWith('role:')).map((who) => who.slice('role:'.length));
  const known = new Set(['admin', 'curator', ...asked]);
  for (const role of roles) {
    if (known.has(role)) continue;
    process.stderr.write(`huiju: warning: no collection names the role ${role}${suggest(role, known)}\n`);
  }
}

async function addUser(name: string, options: { role?: string[]; passwordStdin?: true }): Promise<void> {
  const roles = options.role ?? [];
  await withStore(async (store, config) => {
    // Before the password is asked for: nobody likes to type one twice in vain.
    if ((await findUser(store, name)) !== undefined) throw takenName(name);
    const password = await readPassword(options.passwordStdin === true);
    await createUser(store, name, password, roles);
    warnOfUnknownRoles(roles, config);
  });
  printLine(`User ${name} added, with ${describeRoles(roles)}.`);
}

async function listUsersWithUse(store: Store) {
  const totals = new Map((await store.listAccessTotals()).map((one) => [one.user, one]));
  // Neither the hash nor the credential is anybody's business.
  return (await listUsers(store)).map(({ name, roles, disabled, created_at }) => {
    const { requests = 0, lastAt } = totals.get(name) ?? {};
    const last_request = lastAt === undefined ? null : formatMicros(lastAt);
    return { name, roles, disabled, created_at, requests, last_request };
  });
}

async function printUsers(options: { json?: true }): Promise<void> {
  const shown = await withStore(listUsersWithUse);
  const rows = shown.map(({ name, roles, disabled, created_at, requests, last_request }) => [
    name,
    roles.join(','),
    disabled ? 'disabled' : 'enabled',
    created_at,
    String(requests),
    last_request ?? 'never',
  ]);
  printList(shown, options.json === true, ['NAME', 'ROLES', 'STATE', 'CREATED', 'REQUESTS', 'LAST REQUEST'], rows);
}

interface RoleOptions {
  readonly add?: string[];
  readonly remove?: string[];
}

async function changeUserRoles(
  name: string,
  roles: readonly string[],
  { add, remove }: RoleOptions,
  command: Command,
): Promise<void> {
  const isChange = add !== undefined || remove !== undefined;
  if (isChange === roles.length > 0) {
    command.error('error: name either all the roles that the user is to have, or changes with --add and --remove');
  }
  const choose = (present: readonly string[]) =>
    isChange ? [...present, ...(add ?? [])].filter((role) => !remove?.includes(role)) : roles;
  const chosen = await withStore(async (store, config) => {
    const hadAdmin = await hasWorkingAdmin(store);
    const changed = await changeRoles(store, name, choose);
    warnOfUnknownRoles([...roles, ...(add ?? [])], config);
    await warnOfNoAdmin(store, name, hadAdmin, `role ${name} --add admin`);
    return changed;
  });
  printLine(`User ${name} has ${describeRoles(chosen)}.`);
}

async function changePassword(name: string, options: { passwordStdin?: true }): Promise<void> {
  await withStore(async (store) => {
    if ((await findUser(store, name)) === undefined) throw await unknownUser(store, name);
    await setPassword(store, name, await readPassword(options.passwordStdin === true));
  });
  printLine(`User ${name} has a new password.`);
}

/** Says so when a change has left nobody who can administer; `undo` is the command that takes it back. */
async function warnOfNoAdmin(store: Store, name: string, hadAdmin: boolean, undo: string): Promise<void> {
  if (!hadAdmin || (await hasWorkingAdmin(store))) return;
  process.stderr.write(
    `huiju: warning: ${name} was the last enabled user with the role admin; take it back with: huiju user ${undo}\n`,
  );
}

async function changeState(name: string, disabled: boolean): Promise<void> {
  await withStore(async (store) => {
    const hadAdmin = await hasWorkingAdmin(store);
    await setDisabled(store, name, disabled);
    await warnOfNoAdmin(store, name, hadAdmin, `enable ${name}`);
  });
  printLine(`User ${name} is ${disabled ? 'disabled' : 'enabled'}.`);
}

const passwordStdin = ['--password-stdin', 'take the password from the first line of standard input'] as const;

export function registerUser(program: Command): void {
  const user = program.command('user').description('manage who may log in');
  user
    .command('add')
    .description('add a user')
    .argument('<name>', 'name of the user', parseName)
    .option('--role <role>', 'give this role; may be repeated', collectRole)
    .option(...passwordStdin)
    .action(addUser);
  user.command('list').description('list the users').option('--json', 'as JSON').action(printUsers);
  user
    .command('role')
    .description('set or change the roles of a user')
    .argument('<name>', 'name of the user')
    .argument('[roles...]', 'all the roles the user is to have', collectRole, [])
    .option('--add <role>', 'add this role; may be repeated', collectRole)
    .option('--remove <role>', 'take this role away; may be repeated', collectRole)
    .action(changeUserRoles);
  user
    .command('disable')
    .description('keep a user from logging in, with password and tokens')
    .argument('<name>', 'name of the user')
    .action((name: string) => changeState(name, true));
  user
    .command('enable')
    .description('let a disabled user log in again')
    .argument('<name>', 'name of the user')
    .action((name: string) => changeState(name, false));
  user
    .command('passwd')
    .description('change the password of a user')
    .argument('<name>', 'name of the user')
    .option(...passwordStdin)
    .action(changePassword);
}
