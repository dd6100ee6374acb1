/** Ids of cyber-observables (STIX 2.1 §2.9). A doubtful id is never an error: real feeds have all of them. */

import { deterministicId, findRightId, hasOnlyRandomId, observableTypes } from './deterministic-id.ts';
import type { StixObject } from './object-types.ts';
import type { Report, Rule, Text } from './rule.ts';

/** Whether the id of the object is, by its version digit, made of a name. */
function isNamed({ id, type }: StixObject): boolean {
  return typeof id === 'string' && typeof type === 'string' && id[type.length + '--xxxxxxxx-xxxx-'.length] === '5';
}

function checkDeterministic(object: StixObject, report: Report): void {
  const id = isNamed(object) ? findRightId(object) : undefined;
  if (id === undefined) return;
  report(['id'], {
    en: `The properties of this object make the id "${id}"; use it, or a random UUIDv4.`,
    zh: `由该对象的属性得出的 id 是 "${id}"；请使用它，或使用随机的 UUIDv4。`,
  });
}

const randomExpected: Text = {
  en: 'No property of this object contributes to a UUIDv5; give it a random UUIDv4.',
  zh: '该对象没有可用于生成 UUIDv5 的属性；请使用随机的 UUIDv4。',
};

function checkRandom(object: StixObject, report: Report): void {
  if (isNamed(object) && hasOnlyRandomId(object)) report(['id'], randomExpected);
}

const versionedExpected: Text = {
  en: 'Other producers make the same id; an observable with versions needs an id of its own, a random UUIDv4.',
  zh: '其他生产者会得出相同的 id；带版本的可观察对象需要自己的 id，请使用随机的 UUIDv4。',
};

// §3.6: who versions observables must not use the common namespace.
function checkVersioned(object: StixObject, report: Report): void {
  if (object.modified === undefined || !isNamed(object)) return;
  if (deterministicId(object) === object.id) report(['id'], versionedExpected);
}

const types = observableTypes;

export const scoIdRules: readonly Rule[] = [
  {
    code: 'STIX-2.9-deterministic-id',
    section: 'STIX 2.1 §2.9',
    level: 'warning',
    types,
    check: checkDeterministic,
  },
  { code: 'STIX-2.9-random-id', section: 'STIX 2.1 §2.9', level: 'warning', types, check: checkRandom },
  { code: 'STIX-3.6-versioned-observable', section: 'STIX 2.1 §3.6', level: 'warning', types, check: checkVersioned },
];
