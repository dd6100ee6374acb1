import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { OperatorError } from '../errors.ts';
import { Interrupted } from './signals.ts';

// More than any password that passes; a whole file that was redirected by mistake is not read to its end.
const maxLineBytes = 8192;

async function readLine(): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    chunks.push(bytes);
    length += bytes.length;
    if (length > maxLineBytes || bytes.includes('\n')) break;
  }
  const [line = ''] = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)).split('\n', 1);
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}

async function readPasswordLine(): Promise<string> {
  try {
    return await readLine();
  } catch (error) {
    if (error instanceof TypeError) throw new OperatorError('the password on standard input is not UTF-8');
    throw error;
  }
}

/** Asks on the terminal without showing what is typed: readline edits the line, and its output goes nowhere. */
function ask(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  process.stderr.write(question);
  return new Promise((resolve, reject) => {
    terminal.once('SIGINT', () => {
      reject(new Interrupted('SIGINT', 'nothing was changed'));
      terminal.close();
    });
    terminal.once('close', () => {
      process.stderr.write('\n');
      // Ctrl-D closes without an answer; after an answer or Ctrl-C the promise is settled already.
      reject(new OperatorError('no password was given'));
    });
    terminal.question('', (answer) => {
      resolve(answer);
      terminal.close();
    });
  });
}

/** The password for a user: the first line of standard input if asked for, else typed twice on the terminal. */
export async function readPassword(fromStdin: boolean): Promise<string> {
  if (fromStdin) return readPasswordLine();
  if (!process.stdin.isTTY) {
    throw new OperatorError('there is no terminal to ask for the password on: pipe it in, with --password-stdin');
  }
  const password = await ask('Password: ');
  if ((await ask('Again: ')) !== password) throw new OperatorError('the two passwords differ: nothing was changed');
  return password;
}
