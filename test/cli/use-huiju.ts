import { useTempFolder } from '../store/temp-folder.ts';
import { type RunOptions, type RunResult, runHuiju } from '../support/huiju.ts';

export interface Huiju {
  readonly pathOf: (name: string) => string;
  /** Runs a command on a store that the tests of one file share, in a folder of theirs. */
  readonly huiju: (args: readonly string[], options?: RunOptions) => Promise<RunResult>;
  /** Adds a user. */
  readonly addUser: (name: string, ...args: readonly string[]) => Promise<RunResult>;
}

export const password = 'a password for tests';

export function useHuiju(): Huiju {
  const pathOf = useTempFolder();
  const huiju: Huiju['huiju'] = (args, { env, ...rest } = {}) =>
    runHuiju(args, { ...rest, env: { HUIJU_STORE: `sqlite:${pathOf('data/huiju.db')}`, ...env } });
  const addUser: Huiju['addUser'] = (name, ...args) =>
    huiju(['user', 'add', name, '--password-stdin', ...args], { input: `${password}\n` });
  return { pathOf, huiju, addUser };
}
