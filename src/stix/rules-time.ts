/** The order of timestamps, compared as instants and never rounded. */

import { isObservable, type StixObject } from './object-types.ts';
import { quoted } from './pointer.ts';
import type { Report, Rule, RuleContext } from './rule.ts';
import { findVersionKey } from './timestamp.ts';

const aDay = 86_400_000;

function keyOf(value: unknown): string | undefined {
  return typeof value === 'string' ? findVersionKey(value) : undefined;
}

function checkOrder(object: StixObject, report: Report, earlier: string, later: string, strictly: boolean): void {
  const from = object[earlier];
  const to = object[later];
  // The usual case: the same text, or nothing to compare.
  if (to === undefined || from === undefined || (from === to && !strictly)) return;
  const fromKey = keyOf(from);
  const toKey = keyOf(to);
  if (fromKey === undefined || toKey === undefined || toKey > fromKey || (toKey === fromKey && !strictly)) return;
  const rule = strictly ? 'must be later than' : 'must not be earlier than';
  report([later], `"${later}" (${quoted(to)}) ${rule} "${earlier}" (${quoted(from)}).`);
}

function orderRule(code: string, types: readonly string[], earlier: string, later: string, strictly = false): Rule {
  return {
    code,
    level: 'error',
    types,
    check: (object, report) => checkOrder(object, report, earlier, later, strictly),
  };
}

function checkVersions(object: StixObject, report: Report): void {
  // On an observable these two are custom properties and mean what their author says.
  if (typeof object.type === 'string' && isObservable(object, object.type)) return;
  checkOrder(object, report, 'created', 'modified', false);
}

function checkFuture(object: StixObject, report: Report, { now }: RuleContext): void {
  const { modified } = object;
  if (typeof modified !== 'string') return;
  const tomorrow = new Date(now + aDay).toISOString();
  if (modified.slice(0, 19) <= tomorrow.slice(0, 19)) return;
  const key = findVersionKey(modified);
  if (key !== undefined)
    report(['modified'], `${quoted(modified)} is in the future; it will hide every correct later version.`);
}

const seen = ['campaign', 'infrastructure', 'intrusion-set', 'malware', 'threat-actor', 'sighting'];

export const timeRules: readonly Rule[] = [
  { code: 'STIX-3.2-modified-order', level: 'error', check: checkVersions },
  orderRule('STIX-4-seen-order', seen, 'first_seen', 'last_seen'),
  orderRule('STIX-4.14-observed-order', ['observed-data'], 'first_observed', 'last_observed'),
  orderRule('STIX-4.7-valid-order', ['indicator'], 'valid_from', 'valid_until', true),
  orderRule('STIX-5.1-time-order', ['relationship'], 'start_time', 'stop_time', true),
  orderRule('STIX-6.12-time-order', ['network-traffic'], 'start', 'end'),
  { code: 'STIX-3.6-future-version', level: 'warning', check: checkFuture },
];
