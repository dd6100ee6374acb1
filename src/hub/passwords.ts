/** Passwords are kept as argon2id hashes in PHC string format: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`. */

import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Asker, createHashingTurns, type HashingTurns } from './hashing-turns.ts';

interface Hash {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly salt: Buffer;
  readonly tag: Buffer;
}

// The first choice of OWASP's password storage recommendations for argon2id: 19 MiB, two passes, one lane.
const cost = { memory: 19_456, passes: 2, parallelism: 1 };
const tagLength = 32;
const saltLength = 16;

const minCharacters = 12;
const maxBytes = 1024;

/** Turns of a process that is one of so many. */
function createShare(processes: number): HashingTurns {
  // Hashing runs in libuv's pool of four threads, which files need too, and takes 19 MiB each.
  return createHashingTurns({ atOnce: Math.ceil(2 / processes), maxWaiting: Math.ceil(100 / processes) });
}

// A process has one pool, so it has one queue for it.
let turns = createShare(1);
/** Who hashes on behalf of no request. */
const nobody: Asker = { network: '', name: '', isFamiliar: true };

const phcFormat =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** To be called at the start of a process that is one of several: together they hash two at once, or one each. */
export function shareHashing(processes: number): void {
  turns = createShare(processes);
}

/** Why the text cannot be a password; undefined when it can. */
export function findPasswordFault(password: string): string | undefined {
  if (/\p{Cc}/u.test(password)) return 'a password has no control characters';
  if ([...password].length < minCharacters) return `a password has at least ${minCharacters} characters`;
  if (Buffer.byteLength(password) > maxBytes) return `a password has at most ${maxBytes} bytes`;
  return undefined;
}

function toBase64(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}

function formatHash({ memory, passes, parallelism, salt, tag }: Hash): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${toBase64(salt)}$${toBase64(tag)}`;
}

function parseHash(phc: string): Hash {
  const match = phcFormat.exec(phc);
  if (match === null) throw new Error('A stored password is not an argon2id hash in PHC string format.');
  const [, memory, passes, parallelism, salt = '', tag = ''] = match;
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  };
}

function runArgon2(parameters: Argon2Parameters): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2('argon2id', parameters, (error, tag) => (error === null ? resolve(tag) : reject(error)));
  });
}

function computeTag(password: string, { salt, tag, ...costs }: Hash, asker: Asker): Promise<Buffer> {
  // RFC 8265 §4.2: one accented letter has several spellings; keyboards differ in which they send.
  const message = password.normalize('NFC');
  return turns.run(asker, () => runArgon2({ message, nonce: salt, tagLength: tag.length, ...costs }));
}

/** Hashes a password with a new salt. Throws `too-many-logins` when too many are waiting already. */
export async function hashPassword(password: string): Promise<string> {
  const blank: Hash = { ...cost, salt: randomBytes(saltLength), tag: Buffer.alloc(tagLength) };
  return formatHash({ ...blank, tag: await computeTag(password, blank, nobody) });
}

/** A hash that no password has; checking against it takes as long as against any other. */
export const unmatchableHash = formatHash({ ...cost, salt: Buffer.alloc(saltLength), tag: Buffer.alloc(tagLength) });

/** Whether the password has this hash. Throws `too-many-logins` when too many are waiting, who comes last first. */
export async function verifyPassword(password: string, phc: string, asker: Asker = nobody): Promise<boolean> {
  const expected = parseHash(phc);
  return timingSafeEqual(await computeTag(password, expected, asker), expected.tag);
}
