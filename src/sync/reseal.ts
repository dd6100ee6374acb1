/** Renewing what keys have sealed, after the operator has put another key in their place. */

import { messageOf, OperatorError } from '../errors.ts';
import { changeRecord, walkRecords } from '../hub/records.ts';
import { isSealedByFirst, type SecretKeys, seal, unseal } from '../hub/secrets.ts';
import type { Store } from '../store/store.ts';
import { feedKind, parseFeed, principalOf } from './feed.ts';
import { type FeedsDeps, replan } from './feeds.ts';

export interface Resealed {
  /** Logins that the first key has sealed now. */
  readonly renewed: number;
  /** Logins that it had sealed before. */
  readonly current: number;
  /** Of each login that none of the keys opens, and which is as it was, the feed and the reason. */
  readonly faults: readonly string[];
}

/** Throws OperatorError when none of `opening` opens the login. */
async function resealLogin(store: Store, name: string, keys: SecretKeys, opening: SecretKeys): Promise<void> {
  const context = principalOf(name);
  await changeRecord(store, feedKind, name, (record) => {
    const { name: _name, revision: _revision, login, ...document } = parseFeed(record);
    const renewed = login && { ...login, secret: seal(keys, unseal(opening, login.secret, context), context) };
    return { document: { ...document, login: renewed }, keys: {} };
  });
}

/** Seals the logins of all feeds with the first of the keys; all of them open, and `oldKeys` too. May be done again. */
export async function resealLogins(deps: FeedsDeps, oldKeys: SecretKeys = []): Promise<Resealed> {
  let [renewed, current] = [0, 0];
  const faults: string[] = [];
  for await (const record of walkRecords(deps.store, feedKind)) {
    const { name, login } = parseFeed(record);
    if (login === null) continue;
    const keys = await deps.secretKeys();
    try {
      if (isSealedByFirst(keys, login.secret)) {
        unseal(keys, login.secret, principalOf(name));
        current += 1;
        continue;
      }
      await resealLogin(deps.store, name, keys, [...keys, ...oldKeys]);
      renewed += 1;
      // It may have failed for want of the key.
      await replan(deps, name);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      faults.push(`${name}: ${messageOf(error)}`);
    }
  }
  return { renewed, current, faults };
}
