/** The resources of TAXII 2.1 as they go over the wire: names and spelling are the standard's own. */

export const taxiiMediaType = 'application/taxii+json;version=2.1';
export const stixMediaType = 'application/stix+json;version=2.1';

/** §4.1.1 */
export interface DiscoveryResource {
  title: string;
  description?: string;
  contact?: string;
  default?: string;
  api_roots?: string[];
}

/** §4.2.1 */
export interface ApiRootResource {
  title: string;
  description?: string;
  versions: string[];
  max_content_length: number;
}

/** §4.3.1 */
export interface StatusDetails {
  id: string;
  version: string;
  message?: string;
}

/** §4.3.1 */
export interface StatusResource {
  id: string;
  status: 'complete' | 'pending';
  request_timestamp: string;
  total_count: number;
  success_count: number;
  successes?: StatusDetails[];
  failure_count: number;
  failures?: StatusDetails[];
  pending_count: number;
}

/** §5.2.1 */
export interface CollectionResource {
  id: string;
  title: string;
  description?: string;
  alias?: string;
  can_read: boolean;
  can_write: boolean;
  media_types: string[];
}

/** §5.1.1 */
export interface CollectionsResource {
  collections?: CollectionResource[];
}

/** §5.3.1 */
export interface ManifestRecord {
  id: string;
  date_added: string;
  version: string;
  media_type: string;
}

/** §5.3.1, with `next` (cti-taxii2 issue 110: its absence from the table is an oversight). */
export interface ManifestResource {
  more: boolean;
  next?: string;
  objects?: ManifestRecord[];
}

/** §5.8.1 */
export interface VersionsResource {
  more: boolean;
  next?: string;
  versions?: string[];
}

/** §3.6.1 */
export interface ErrorResource {
  title: string;
  description?: string;
  error_id?: string;
  error_code?: string;
  http_status?: string;
}
