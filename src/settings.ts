/** What a start reads, and a reload reads again. */

import { type Config, type Environment, loadConfig } from './config.ts';
import { type ApiRoot, loadApiRoots } from './taxii/api-roots.ts';

/** Plain data, so that it can be sent to another process. */
export interface Settings {
  readonly config: Config;
  /** By name. */
  readonly roots: readonly ApiRoot[];
}

/** Reads the environment, the files it names, and `collections/`. Throws an OperatorError with everything that is wrong. */
export function loadSettings(env?: Environment): Settings {
  const config = loadConfig(env);
  return { config, roots: loadApiRoots(config.collections) };
}
