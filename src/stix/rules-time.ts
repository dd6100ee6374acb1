/** The order of timestamps, compared as instants and never rounded. */

import { isObservable, type StixObject } from './object-types.ts';
import { quoted } from './pointer.ts';
import type { Report, Rule, RuleContext, Text } from './rule.ts';
import { findVersionKey } from './timestamp.ts';

const aDay = 86_400_000;

function keyOf(value: unknown): string | undefined {
  return typeof value === 'string' ? findVersionKey(value) : undefined;
}

/** What is wrong when `later` comes before `earlier`, or, for those that are strictly later, when both are equal. */
function findOrderFault(object: StixObject, earlier: string, later: string, strictly: boolean): Text | undefined {
  const from = object[earlier];
  const to = object[later];
  // The usual case: the same text, or nothing to compare.
  if (to === undefined || from === undefined || (from === to && !strictly)) return undefined;
  if (typeof from !== 'string' || typeof to !== 'string') return undefined;
  // Timestamps of one length are ordered as their texts are; what is no timestamp is the schema's matter.
  if (from.length === to.length && from < to) return undefined;
  const fromKey = keyOf(from);
  const toKey = keyOf(to);
  if (fromKey === undefined || toKey === undefined || toKey > fromKey || (toKey === fromKey && !strictly))
    return undefined;
  return {
    en: `"${later}" must ${strictly ? 'be later' : 'not be earlier'} than "${earlier}", which is ${quoted(from)}.`,
    zh: `"${later}" ${strictly ? '须晚于' : '不得早于'} "${earlier}"（${quoted(from)}）。`,
  };
}

function orderRule(code: string, types: readonly string[], earlier: string, later: string, strictly = false): Rule {
  return {
    code,
    section: `STIX 2.1 §${/[\d.]+/.exec(code)?.[0]}`,
    level: 'error',
    types,
    needs: [later],
    check: (object, report) => {
      const fault = findOrderFault(object, earlier, later, strictly);
      if (fault !== undefined) report([later], fault);
    },
  };
}

function checkVersions(object: StixObject, report: Report): void {
  const fault = findOrderFault(object, 'created', 'modified', false);
  // On an observable these two are custom properties and mean what their author says.
  if (fault === undefined || isObservable(object, String(object.type))) return;
  report(['modified'], fault);
}

// The character follows all that a timestamp has.
const afterSeconds = '~';
let lastDay = { now: Number.NaN, after: '' };

/** After each timestamp within a day; remembered, since many objects are checked within a millisecond. */
function dayAfter(now: number): string {
  if (lastDay.now !== now) lastDay = { now, after: new Date(now + aDay).toISOString().slice(0, 19) + afterSeconds };
  return lastDay.after;
}

const futureText: Text = {
  en: 'The time is in the future and will hide every correct later version; set the clock right.',
  zh: '该时间在未来，会遮蔽以后所有正确的版本；请校准时钟。',
};

function checkFuture(object: StixObject, report: Report, { now }: RuleContext): void {
  const { modified } = object;
  if (typeof modified !== 'string') return;
  if (modified < dayAfter(now)) return;
  const key = findVersionKey(modified);
  if (key !== undefined) report(['modified'], futureText);
}

const seen = ['campaign', 'infrastructure', 'intrusion-set', 'malware', 'threat-actor', 'sighting'];

export const timeRules: readonly Rule[] = [
  { code: 'STIX-3.2-modified-order', section: 'STIX 2.1 §3.2', level: 'error', check: checkVersions },
  orderRule('STIX-4-seen-order', seen, 'first_seen', 'last_seen'),
  orderRule('STIX-4.14-observed-order', ['observed-data'], 'first_observed', 'last_observed'),
  orderRule('STIX-4.7-valid-order', ['indicator'], 'valid_from', 'valid_until', true),
  orderRule('STIX-5.1-time-order', ['relationship'], 'start_time', 'stop_time', true),
  orderRule('STIX-6.12-time-order', ['network-traffic'], 'start', 'end'),
  { code: 'STIX-3.6-future-version', section: 'STIX 2.1 §3.6', level: 'warning', check: checkFuture },
];
