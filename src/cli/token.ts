import { type Command, InvalidArgumentError } from 'commander';
import { createToken, listTokens, revokeToken } from '../hub/tokens.ts';
import { findMicros, microsNow } from '../stix/timestamp.ts';
import type { Micros } from '../store/store.ts';
import { findSpan } from '../text.ts';
import { printLine, printList } from './output.ts';
import { findTime } from './when.ts';
import { withStore } from './with-store.ts';

// Beyond it, times have five digits for the year.
const endOfTime = findMicros('9999-12-31T23:59:59Z') ?? 0;

function parseExpiry(text: string): Micros {
  const span = findSpan(text);
  const expiry = span === undefined ? findTime(text) : microsNow() + span;
  if (expiry === undefined || expiry > endOfTime) {
    throw new InvalidArgumentError('Give a time span such as 30d, 12h or 45m, or a date such as 2031-01-31.');
  }
  if (expiry <= microsNow()) throw new InvalidArgumentError('That time is over already.');
  return expiry;
}

async function printNewToken(user: string, options: { expires?: Micros }): Promise<void> {
  printLine(await withStore((store) => createToken(store, user, microsNow(), options.expires)));
}

async function printTokens(options: { user?: string; json?: true }): Promise<void> {
  const tokens = await withStore((store) => listTokens(store, options.user));
  const rows = tokens.map(({ id, user, created_at, expires_at, last_used_at }) => [
    id,
    user,
    created_at,
    expires_at ?? 'never',
    last_used_at ?? 'never',
  ]);
  printList(tokens, options.json === true, ['ID', 'USER', 'CREATED', 'EXPIRES', 'LAST USED'], rows);
}

async function revoke(id: string): Promise<void> {
  await withStore((store) => revokeToken(store, id));
  printLine(`Token ${id} is revoked.`);
}

export function registerToken(program: Command): void {
  const token = program.command('token').description('manage tokens, with which programs log in');
  token
    .command('create')
    .description('create a token and print it; it cannot be shown again')
    .argument('<user>', 'name of the user as whom it logs in')
    .option('--expires <when>', 'when it ends: 30d, 12h, 45m, or a date; without, never', parseExpiry)
    .action(printNewToken);
  token
    .command('list')
    .description('list the tokens by their ids')
    .option('--user <name>', 'only those of this user')
    .option('--json', 'as JSON')
    .action(printTokens);
  token
    .command('revoke')
    .description('make a token useless at once')
    .argument('<id>', 'its id, from `huiju token list`')
    .action(revoke);
}
