/** Names of collections on the command line. */

import { OperatorError } from '../errors.ts';
import { sortByNearness, suggest } from '../nearest.ts';
import type { ApiRoot, Collection } from '../taxii/api-roots.ts';
import { formatCount } from '../text.ts';

const shownNames = 10;

export interface FoundCollection {
  readonly root: ApiRoot;
  readonly collection: Collection;
}

/** What there is, the nearest first; of many some. */
function describeChoice(name: string, names: readonly string[]): string {
  const asTyped = (full: string): string => (name.includes('/') ? full : full.slice(full.indexOf('/') + 1));
  const nearestFirst = sortByNearness(name, names, asTyped);
  const more = names.length - shownNames;
  const rest = more > 0 ? `, and ${formatCount(more, 'other')}: see \`huiju collection list\`` : '';
  return `${suggest(name, names.map(asTyped)) || '.'} There are: ${nearestFirst.slice(0, shownNames).join(', ')}${rest}`;
}

/** Finds `[ROOT/]ID_OR_ALIAS`. Throws OperatorError when nothing or more than one thing has that name. */
export function findCollection(roots: readonly ApiRoot[], name: string): FoundCollection {
  const slash = name.indexOf('/');
  const rootName = slash < 0 ? undefined : name.slice(0, slash);
  const idOrAlias = name.slice(slash + 1);
  const all = roots.flatMap((root) => root.collections.map((collection) => ({ root, collection })));
  const found = all.filter(
    ({ root, collection }) =>
      (rootName === undefined || root.name === rootName) &&
      (collection.id === idOrAlias || collection.alias === idOrAlias),
  );
  const [first, second] = found;
  const nameOf = ({ root, collection }: FoundCollection): string => `${root.name}/${collection.alias ?? collection.id}`;
  if (first === undefined) {
    throw new OperatorError(`there is no collection ${name}${describeChoice(name, all.map(nameOf))}`);
  }
  if (second !== undefined) {
    throw new OperatorError(`${name} is the name of several collections; say one of: ${found.map(nameOf).join(', ')}`);
  }
  return first;
}
