/** The option `--lang` of the commands that say what is wrong with objects. */

import { Option } from 'commander';
import { languages } from '../stix/issue.ts';

export function languageOption(): Option {
  return new Option('--lang <language>', 'language of what is said about objects')
    .choices([...languages])
    .default('en');
}
