/** Traffic Light Protocol levels, as markings of TLP 1 (STIX 2.1 §7.2.1.4) and TLP 2.0 (its community extension). */

import { isObject, listOf } from './json-value.ts';

export const tlpLevels = ['clear', 'green', 'amber', 'amber+strict', 'red'] as const;
export type TlpLevel = (typeof tlpLevels)[number];

/** The extension definition that carries TLP 2.0. */
export const tlp2Extension = 'extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d';

export interface TlpMarking {
  readonly id: string;
  readonly name: string;
  readonly created: string;
  /** `definition.tlp` or `tlp_2_0`. */
  readonly value: string;
  readonly level: TlpLevel;
}

function tlpMarking(uuid: string, created: string, value: string, level: TlpLevel): TlpMarking {
  return { id: `marking-definition--${uuid}`, name: `TLP:${value.toUpperCase()}`, created, value, level };
}

const created1 = '2017-01-20T00:00:00.000Z';
const created2 = '2022-10-01T00:00:00.000Z';

export const tlp1Markings: readonly TlpMarking[] = [
  tlpMarking('613f2e26-407d-48c7-9eca-b8e91df99dc9', created1, 'white', 'clear'),
  tlpMarking('34098fce-860f-48ae-8e50-ebd3cc5e41da', created1, 'green', 'green'),
  tlpMarking('f88d31f6-486f-44da-b317-01333bde0b82', created1, 'amber', 'amber'),
  tlpMarking('5e57c739-391a-4eb3-b6be-7d15ca92d5ed', created1, 'red', 'red'),
];

export const tlp2Markings: readonly TlpMarking[] = [
  tlpMarking('94868c89-83c2-464b-929b-a1a8aa3c8487', created2, 'clear', 'clear'),
  tlpMarking('bab4a63c-aed9-4cf5-a766-dfca5abac2bb', created2, 'green', 'green'),
  tlpMarking('55d920b0-5e8b-4f79-9ee9-91f868d9b421', created2, 'amber', 'amber'),
  tlpMarking('939a9414-2ddd-4d32-a0cd-375ea402b003', created2, 'amber+strict', 'amber+strict'),
  tlpMarking('e828b379-4e03-4974-9ac4-e53a884c97c1', created2, 'red', 'red'),
];

const levelById = new Map([...tlp1Markings, ...tlp2Markings].map(({ id, level }) => [id, level]));

/** Whether level `a` allows less sharing than level `b`. */
export function isStricter(a: TlpLevel, b: TlpLevel): boolean {
  return tlpLevels.indexOf(a) > tlpLevels.indexOf(b);
}

let last: { readonly ref: string; readonly level: TlpLevel | undefined } = { ref: '', level: undefined };

/** The level of a marking; remembered, since feeds mark object after object alike. */
function levelOf(ref: string): TlpLevel | undefined {
  // UUIDs are equal in either case (RFC 4122 §3).
  if (ref !== last.ref) last = { ref, level: levelById.get(ref) ?? levelById.get(ref.toLowerCase()) };
  return last.level;
}

/** The level, or that of the marking when it allows less. */
function stricterOf(level: TlpLevel | null, ref: unknown): TlpLevel | null {
  const other = typeof ref === 'string' ? levelOf(ref) : undefined;
  return other !== undefined && (level === null || isStricter(other, level)) ? other : level;
}

/** The strictest TLP level among the object and granular markings of an object; null when it has none. */
export function strictestTlp(value: unknown): TlpLevel | null {
  if (!isObject(value)) return null;
  let strictest: TlpLevel | null = null;
  for (const ref of listOf(value.object_marking_refs)) strictest = stricterOf(strictest, ref);
  for (const marking of listOf(value.granular_markings)) {
    if (isObject(marking)) strictest = stricterOf(strictest, marking.marking_ref);
  }
  return strictest;
}
