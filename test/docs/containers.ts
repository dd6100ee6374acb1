/** Reads what describes containers, as data: docker-compose.yml and the Dockerfile. */

import { createRequire } from 'node:module';
import { readDocument } from './readme.ts';

/** A service, with the keys of the Compose specification that ours use. */
export interface Service {
  readonly image: string;
  readonly build?: string;
  readonly user: string;
  readonly init?: boolean;
  readonly restart: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly logging: { readonly driver: string };
  readonly stop_grace_period?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly networks: readonly string[];
  readonly healthcheck?: Readonly<Record<string, unknown>> & { readonly test: readonly string[] };
  readonly ulimits?: Readonly<Record<string, number>>;
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

// It comes with jest and has no types. `safeLoad` makes plain data of YAML and refuses repeated keys.
const { safeLoad }: { safeLoad(text: string): Compose } = createRequire(import.meta.url)('js-yaml');

export const composeText = readDocument('docker-compose.yml');
export const compose = safeLoad(composeText);

/** The same with other lines in force: those that match are taken away, and their comments are undone. */
export function composeWith(removed: RegExp, uncommented: RegExp): Compose {
  const lines = composeText.split('\n').filter((line) => !removed.test(line));
  return safeLoad(lines.map((line) => (uncommented.test(line) ? line.replace('# ', '') : line)).join('\n'));
}

export interface Instruction {
  readonly name: string;
  readonly rest: string;
  /** The stage it belongs to, from 0. */
  readonly stage: number;
}

/** The instructions of the Dockerfile, each on one line, without comments. */
export function readDockerfile(): Instruction[] {
  let stage = -1;
  const text = readDocument('Dockerfile')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n */g, '');
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', rest = ''] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
      if (name === '') throw new Error(`no instruction of a Dockerfile: ${line}`);
      if (name === 'FROM') stage += 1;
      return { name, rest, stage };
    });
}
