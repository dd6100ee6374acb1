/** Names of collections on the command line. */

import { OperatorError } from '../errors.ts';
import { suggest } from '../nearest.ts';
import type { ApiRoot, Collection } from '../taxii/api-roots.ts';

export interface FoundCollection {
  readonly root: ApiRoot;
  readonly collection: Collection;
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
    const names = all.flatMap((one) => [nameOf(one), one.collection.alias ?? one.collection.id]);
    const there = all.map(nameOf).join(', ');
    throw new OperatorError(`there is no collection ${name}${suggest(name, names) || '.'} There are: ${there}`);
  }
  if (second !== undefined) {
    throw new OperatorError(`${name} is the name of several collections; say one of: ${found.map(nameOf).join(', ')}`);
  }
  return first;
}
