/**
 * The store contract: what the rest of Huiju may ask of a database. `README.md` in this folder says why it is cut this
 * way and how each method maps to SQLite and MongoDB; `test/store/contract.ts` is the same contract as a test suite.
 *
 * Times are microseconds since 1970-01-01T00:00:00Z, whole numbers. Texts are compact JSON. Every promise of an adding
 * or changing method resolves after its effect is durable: power may fail the moment after.
 */

/** Microseconds since the epoch; a safe integer until the year 2255. */
export type Micros = number;

/** A version of an object, checked and ready to be kept. */
export interface NewVersion {
  /** The object as it came, white space between tokens dropped. Served as it is. */
  readonly text: string;
  readonly id: string;
  readonly type: string;
  readonly specVersion: string;
  /** `modified`, else `created`, spelled as in the object; null when it has neither (then `dateAdded` is its version). */
  readonly version: string | null;
  /** `version` as normalised UTC text, which orders and identifies versions; null together with `version`. */
  readonly versionKey: string | null;
  /** Equal digests mean equal content; only for objects without `version`, else null. */
  readonly digest: string | null;
}

export type AddOutcome =
  /** Stored now, with this date_added. */
  | { readonly outcome: 'added'; readonly dateAdded: Micros }
  /** The same content is here already: nothing stored, the first copy's date_added. */
  | { readonly outcome: 'duplicate'; readonly dateAdded: Micros }
  /** Other content is stored under this id and version: nothing stored. */
  | { readonly outcome: 'version-conflict'; readonly dateAdded: Micros }
  /**
   * STIX 2.1 §3.6: the object is held with another creator or another `created`, or a version before this one is revoked.
   * Nothing stored; the date_added is that of the version which forbids it, `given` what the refused one says instead.
   */
  | {
      readonly outcome: 'other-creator' | 'created-changed' | 'revoked';
      readonly dateAdded: Micros;
      readonly given: string | null;
    }
  /**
   * The version was deleted here, and `Delivery` says that it stays away: nothing stored, the date_added that it had. It may
   * be here again with other content.
   */
  | { readonly outcome: 'withheld'; readonly dateAdded: Micros };

/** What holds of all versions of a call that adds some. */
export interface Delivery {
  /**
   * A text of at most 2048 characters that many versions have in common, kept with each that is added: a feed tells by it
   * whence it had them.
   */
  readonly origin?: string;
  /**
   * A version that was deleted here is withheld, as of the commit that would add it: whatever is deleted before that counts,
   * also while the call is under way. So it is when it is back with other content; with the same it is a duplicate. The newest
   * deletion of the version decides; of an object without versions of its own, that of the id's last version. One by this
   * user withholds nothing, nor does one whose tombstone was dropped.
   */
  readonly withholdDeleted?: { readonly exceptBy: string };
}

/** Names a version of an object. */
export interface VersionName {
  readonly id: string;
  /** Null: the last one, of an object without versions of its own. */
  readonly versionKey: string | null;
}

/** Where a version came from. */
export interface Provenance {
  readonly dateAdded: Micros;
  readonly submitter: string;
  /** What `addObjects` was told of it; null: nothing. */
  readonly origin: string | null;
}

/**
 * Kinds of records that say how far somebody has come in collections. A snapshot has them as of its beginning: one that is
 * ahead of its collection would skip what lies between, one that is behind finds again what is there.
 */
export const positionKinds: readonly string[] = ['feed-state'];

/** Who deletes what is older than its collection keeps. Not a name that a user can have. */
export const retentionUser = '(retention)';

/** Which versions of an object are meant (TAXII 2.1 §3.4.1). The parts are alternatives: any of them selects. */
export interface VersionSelector {
  readonly all: boolean;
  readonly first: boolean;
  readonly last: boolean;
  /** Normalised version keys. An object without `version` is matched by its date_added, in six-digit form. */
  readonly exact: readonly string[];
}

export interface ObjectQuery {
  /** Only versions added strictly later. */
  readonly addedAfter?: Micros;
  /** Only these ids; absent: every id. Never empty, and a few thousand at most. */
  readonly ids?: readonly string[];
  /** Only these types; absent: every type. Never empty. */
  readonly types?: readonly string[];
  /**
   * All of these must select the version. `first` and `last` are properties of the version within its collection, not
   * of what the other filters leave. Never empty.
   */
  readonly versions: readonly VersionSelector[];
}

export interface RecordBounds {
  /** At most so many objects; at least 1. */
  readonly limit: number;
  /** Called now and then by a search that takes long. What it throws ends the search: nobody waits for the page any more. */
  readonly assertWanted?: () => void;
}

export interface PageBounds extends RecordBounds {
  /** The page ends before the object that would exceed this many bytes of text, but holds at least one object. */
  readonly maxBytes: number;
}

export interface PageInfo {
  readonly count: number;
  /** date_added of the first and last object of the page; undefined when it is empty. */
  readonly first: Micros | undefined;
  readonly last: Micros | undefined;
  /**
   * Whether a matching object follows. An empty page never has more. A page that a costly filter left short has more even
   * when nothing follows in the end: the next page is empty then.
   */
  readonly more: boolean;
}

export const emptyPage: PageInfo = { count: 0, first: undefined, last: undefined, more: false };

export interface ObjectPage extends PageInfo {
  /** The texts, joined by commas, UTF-8. */
  readonly texts: Buffer;
  /** date_added of each: together they name what the page shows. */
  readonly dates: readonly Micros[];
}

export interface VersionRecord {
  readonly id: string;
  readonly dateAdded: Micros;
  /** As spelled in the object; date_added in six-digit form for an object without a version of its own. */
  readonly version: string;
  readonly specVersion: string;
}

export interface RecordPage extends PageInfo {
  readonly records: readonly VersionRecord[];
}

export type DeleteOutcome =
  /** So many versions are gone; 0 when the object is here but the selector matches none of its versions. */
  | { readonly outcome: 'deleted'; readonly versions: number }
  | { readonly outcome: 'unknown-object' }
  /** `onlySubmitter` was given and another submitted a version that matches: nothing is deleted. */
  | { readonly outcome: 'not-submitter' };

export interface CollectionState {
  /** The collection's id, a UUID. */
  readonly collection: string;
  /** Newest date_added ever given here; never lowered, not even by deletions. 0 before the first. */
  readonly highWater: Micros;
  /**
   * Rises with every commit that adds or deletes versions here. Pages that are read between two equal ones are the same page. Not
   * always whole: while a deletion is carried out each call may give another one.
   */
  readonly generation: number;
  /** Versions held now, and the bytes of their texts. */
  readonly versions: number;
  readonly bytes: number;
}

/** `seq` is its position in the changes of the collection. */
export type Change =
  | {
      readonly op: 'add';
      readonly seq: number;
      readonly collection: string;
      readonly id: string;
      readonly version: string;
      readonly dateAdded: Micros;
    }
  | {
      readonly op: 'delete';
      readonly seq: number;
      readonly collection: string;
      readonly id: string;
      readonly version: string;
      /** date_added the version had. */
      readonly dateAdded: Micros;
      readonly deletedAt: Micros;
      readonly deletedBy: string;
    };

/** A versioned JSON document. Users, tokens and everything the community needs are records of some kind. */
export interface StoredRecord {
  readonly id: string;
  /** 1 when created, one more at each change. */
  readonly revision: number;
  readonly document: unknown;
}

export interface RecordQuery {
  /** Only records with this value under this key. */
  readonly key?: { readonly name: string; readonly value: string };
  /** Only ids after this one, in code point order, which is the order of their UTF-8 bytes. */
  readonly after?: string;
  readonly limit: number;
}

/** Where records are only read. */
export type RecordSource = Pick<Store, 'findRecord' | 'queryRecords'>;

export interface KeptStatus {
  /** A UUID, version 4. */
  readonly id: string;
  readonly apiRoot: string;
  readonly submitter: string;
  /** The status resource, as it is served. */
  readonly text: string;
  readonly completedAt: Micros;
}

/** A request to a collection, and what became of it. */
export interface AccessEntry {
  /** When the request arrived. */
  readonly at: Micros;
  /** The collection's id. */
  readonly collection: string;
  /** Null: without login. */
  readonly user: string | null;
  /** The address it came from. */
  readonly client: string;
  /** What the client calls itself; empty when it says nothing. */
  readonly agent: string;
  readonly method: string;
  readonly endpoint: AccessEndpoint;
  /** HTTP status; null when the client left before the answer was sent. */
  readonly status: number | null;
  /** Objects in the answer, or in the body that was received. */
  readonly objects: number;
  /** Bytes of the answer's body. */
  readonly bytes: number;
  /** Milliseconds until the answer was sent, whole. */
  readonly ms: number;
  readonly errorCode: string | null;
}

/** The endpoints below a collection: TAXII 2.1 §5.2, §5.3, §5.4 and §5.5, §5.6 and §5.7, §5.8. */
export type AccessEndpoint = 'collection' | 'manifest' | 'objects' | 'object' | 'versions';

/** What is kept of the access log. Neither of the two kinds of entries ever takes the place of the other. */
export interface AccessBounds {
  /** Entries of before it go. */
  readonly since: Micros;
  /** So many of users stay, the newest, and what was kept in one call with the oldest of them. */
  readonly ofUsers: number;
  /** So many of requests without login stay, in the same way. */
  readonly ofNobody: number;
}

export interface AccessQuery {
  readonly collection: string;
  /** Only requests that arrived then or later. */
  readonly since: Micros;
  /** Only requests of this user. Reads past those of others: no index has users. */
  readonly user?: string;
  /** Go on behind a page: its `next`. */
  readonly next?: string;
}

export interface AccessPage {
  /** The newest first. */
  readonly entries: readonly AccessEntry[];
  /** Undefined: there is nothing more. */
  readonly next: string | undefined;
}

/** All that a user has ever asked of collections, entries that were dropped since included. */
export interface AccessTotals {
  readonly user: string;
  readonly requests: number;
  readonly lastAt: Micros;
}

/**
 * A piece of a snapshot. What a store derives from others (counts, keys of its own) is not in it, but for the state of
 * collections, which tells whether all objects have come along.
 */
export type SnapshotPart =
  /** The newest `seq` that was ever given. */
  | { readonly part: 'sequence'; readonly last: number }
  | ({ readonly part: 'collection' } & CollectionState)
  | ({
      readonly part: 'object';
      readonly seq: number;
      readonly collection: string;
      readonly dateAdded: Micros;
      readonly isFirst: boolean;
      readonly isLast: boolean;
      readonly submitter: string;
      /** Absent in backups of before there were origins. */
      readonly origin?: string | null;
      /** As served: of an object without a version of its own the date_added, and its key. */
      readonly version: string;
      readonly versionKey: string;
    } & Omit<NewVersion, 'version' | 'versionKey'>)
  | ({ readonly part: 'tombstone' } & Omit<Extract<Change, { op: 'delete' }>, 'op'>)
  | ({ readonly part: 'status' } & KeptStatus)
  | ({
      readonly part: 'record';
      readonly kind: string;
      readonly keys: Readonly<Record<string, string>>;
    } & StoredRecord)
  | ({ readonly part: 'access' } & AccessEntry)
  | ({ readonly part: 'access-totals' } & AccessTotals);

/** How a store is made of a snapshot. */
export interface Restoring {
  /** The store that is copied, in words without secrets: an unfinished copy of it is gone on with. Absent: a backup. */
  readonly copyOf?: string;
  /** Gets what was written, before anybody can open the store. Resolves to what is wrong, if so: then nothing is left. */
  readonly verify?: (written: AsyncIterable<SnapshotPart>) => Promise<Error | undefined>;
}

export interface Store {
  /**
   * Adds versions to a collection, in their order, in one commit; a store of several processes may take further ones for
   * versions that hang on others of the same object. The outcomes stand in the same order. A date_added is unique in its
   * collection and higher than all before it in commit order, whatever the clock says and however many processes write.
   * `first` and `last` follow at once. Adding what is there already changes nothing.
   *
   * Versions with a key of their own are held against what the collection has at that moment, those before them in the
   * call included: README.md says which are refused, and why the order of arrival refuses none that is legal.
   */
  addObjects(
    collection: string,
    submitter: string,
    versions: readonly NewVersion[],
    delivery?: Delivery,
  ): Promise<AddOutcome[]>;

  /** One page of objects, ascending by date_added. */
  findObjects(collection: string, query: ObjectQuery, bounds: PageBounds): Promise<ObjectPage>;

  /** The same page as records, in place of texts. `maxBytes` does not apply. */
  findRecords(collection: string, query: ObjectQuery, bounds: RecordBounds): Promise<RecordPage>;

  /** Whether any version of the object is in the collection. */
  hasObject(collection: string, id: string): Promise<boolean>;

  /**
   * Deletes the versions of an object that `selector` selects and leaves a tombstone for each. With `onlySubmitter`,
   * only if that user submitted every one of them. What remains gets its `first` and `last` anew.
   */
  deleteObject(
    collection: string,
    id: string,
    selector: VersionSelector,
    by: { readonly user: string; readonly onlySubmitter: boolean },
  ): Promise<DeleteOutcome>;

  /**
   * Takes away versions that were added before `addedBefore`, the oldest first, `limit` of them at most and a thousand at
   * most, as a deletion by `retentionUser` does: each leaves a tombstone, and what remains gets its `first` and `last` anew.
   * Resolves to how many of the old ones are gone now, by this call or by another at the same time; 0: none is left.
   */
  expireObjects(collection: string, addedBefore: Micros, limit: number): Promise<number>;

  /** State of a collection; of one that never had an object: zeros. */
  getCollectionState(collection: string): Promise<CollectionState>;

  /** For each of these, a few thousand at most, where it came from; undefined: it is not here. */
  findProvenance(collection: string, versions: readonly VersionName[]): Promise<(Provenance | undefined)[]>;

  /**
   * Drops tombstones of deletions before `deletedBefore`, the oldest of a collection first and `limit` of them at most, which
   * is a thousand at most: nothing tells of these deletions any more. Some may stay longer. Resolves to how many went; 0: none
   * is left to go.
   */
  dropTombstones(deletedBefore: Micros, limit: number): Promise<number>;

  /** State of every collection that ever had an object, by id. */
  listCollectionStates(): Promise<CollectionState[]>;

  /** Keeps a status. Statuses that completed before `dropBefore` may go. */
  putStatus(status: KeptStatus, dropBefore: Micros): Promise<void>;
  findStatus(apiRoot: string, id: string): Promise<KeptStatus | undefined>;
  /** Drops statuses that completed before, `limit` of them at most. Resolves to how many went; 0: none is left to go. */
  dropStatuses(completedBefore: Micros, limit: number): Promise<number>;

  /** The record may be shared with others who ask. Nobody changes it. */
  findRecord(kind: string, id: string): Promise<StoredRecord | undefined>;
  /** Records of a kind, ascending by id. */
  queryRecords(kind: string, query: RecordQuery): Promise<StoredRecord[]>;
  /**
   * Compare and set: stores the document if the record has revision `expected` now (0: does not exist), and says whether
   * it did. `keys` are what `queryRecords` finds it by, at most one value a name.
   */
  putRecord(
    kind: string,
    id: string,
    expected: number,
    document: unknown,
    keys: Readonly<Record<string, string>>,
  ): Promise<boolean>;
  /** Deletes the record if it has revision `expected` now, and says whether it did. */
  deleteRecord(kind: string, id: string, expected: number): Promise<boolean>;

  /**
   * Adds and deletes of a collection after position `after` (0: all), ascending, in commit order. Positions are those of
   * this store and are never used twice. An add whose version was deleted since is left out: the delete that follows
   * stands for both.
   */
  findChanges(collection: string, after: number, limit: number): Promise<Change[]>;

  /**
   * Keeps a few hundred entries of the access log at most, in one commit. They alone need not survive a power failure.
   * Some of those that are too old or too many go at each call, more than come in; without entries, too.
   */
  recordAccess(entries: readonly AccessEntry[], keep: AccessBounds): Promise<void>;
  /** Requests to a collection, the newest first. */
  findAccess(query: AccessQuery, limit: number): Promise<AccessPage>;
  /** Of every user who ever asked something of a collection, by user. */
  listAccessTotals(): Promise<AccessTotals[]>;

  /**
   * Everything that the store holds, for `restoreStore`: `sequence`, collections, objects by seq, tombstones by seq, then the
   * rest. Each collection is as of one moment after the call, and records of `positionKinds` of before it. Neither stops writers nor is it started over by them. Read it
   * to its end, or give it up, before the store is closed.
   */
  readSnapshot(): AsyncIterable<SnapshotPart>;

  /** Ends cleanly: what was acknowledged is kept, what is under way finishes. May be called twice. */
  close(): Promise<void>;
}

/** What can be read of a store of any layout. */
export type StoreGlimpse = Pick<Store, 'findRecord' | 'queryRecords' | 'listCollectionStates' | 'close'>;
