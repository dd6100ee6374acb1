/** Discovery, API roots and collections (TAXII 2.1 §4.1, §4.2, §5.1, §5.2): what there is, as far as the caller may know. */

import { TaxiiError } from '../errors.ts';
import { type Caller, canSee, canSeeRoot, loginToSee, type Rights, rightsTo } from './access.ts';
import type { ApiRoot, Collection } from './api-roots.ts';
import {
  type ApiRootResource,
  type CollectionResource,
  type CollectionsResource,
  type DiscoveryResource,
  stixMediaType,
  taxiiMediaType,
} from './resources.ts';

/** `baseUrl` is the server's own URL without a slash at the end. Throws 401 when an anonymous caller may see nothing. */
export function getDiscovery(roots: readonly ApiRoot[], caller: Caller, baseUrl: string): DiscoveryResource {
  const visible = roots.filter((root) => canSeeRoot(caller, root));
  if (visible.length === 0 && caller.kind === 'anonymous') {
    throw new TaxiiError('login-required', loginToSee);
  }
  const face = roots.find(({ isDefault }) => isDefault) ?? roots[0];
  const preferred = visible.find(({ isDefault }) => isDefault) ?? visible[0];
  const url = (root: ApiRoot): string => `${baseUrl}/${root.name}/`;
  return {
    title: face?.title ?? 'Huiju',
    ...(face?.description !== undefined && { description: face.description }),
    ...(face?.contact !== undefined && { contact: face.contact }),
    ...(preferred !== undefined && { default: url(preferred), api_roots: visible.map(url) }),
  };
}

/** Bytes of a request body, decoded, that this API root takes. */
export function maxContentLengthOf(root: ApiRoot, serverLimit: number): number {
  return root.maxContentLength ?? serverLimit;
}

export function getApiRoot(root: ApiRoot, serverLimit: number): ApiRootResource {
  return {
    title: root.title,
    ...(root.description !== undefined && { description: root.description }),
    versions: [taxiiMediaType],
    max_content_length: maxContentLengthOf(root, serverLimit),
  };
}

export function describeCollection(collection: Collection, rights: Rights): CollectionResource {
  return {
    id: collection.id,
    title: collection.title,
    ...(collection.description !== undefined && { description: collection.description }),
    ...(collection.alias !== undefined && { alias: collection.alias }),
    can_read: rights.read,
    can_write: rights.write,
    media_types: [stixMediaType],
  };
}

/** The collections that the caller may see, always in the order in which they are declared (§3.3). */
export function getCollections(root: ApiRoot, caller: Caller): CollectionsResource {
  const visible = root.collections.filter((collection) => canSee(caller, collection));
  const collections = visible.map((collection) => describeCollection(collection, rightsTo(caller, collection)));
  return collections.length === 0 ? {} : { collections };
}
