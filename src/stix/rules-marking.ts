/** Rules about data markings (STIX 2.1 §7.2). */

import { isObject, listOf } from './json-value.ts';
import { type TlpMarking, tlp1Markings, tlp2Extension, tlp2Markings } from './markings.ts';
import type { StixObject } from './object-types.ts';
import { quoted } from './pointer.ts';
import type { Report, Rule } from './rule.ts';

/** One component of a selector (STIX 2.1 §7.2.3.1): `[n]` leads into a list, a name into an object. */
function follow(value: unknown, component: string): unknown {
  if (Array.isArray(value))
    return /^\[(?:0|[1-9][0-9]{0,8})\]$/.test(component) ? value[Number(component.slice(1, -1))] : undefined;
  return isObject(value) && Object.hasOwn(value, component) ? value[component] : undefined;
}

function leadsSomewhere(object: StixObject, selector: string): boolean {
  let value: unknown = object;
  let start = 0;
  while (value !== undefined) {
    const end = selector.indexOf('.', start);
    value = follow(value, selector.slice(start, end === -1 ? undefined : end));
    if (end === -1) break;
    start = end + 1;
  }
  return value !== undefined;
}

function checkSelectors(object: StixObject, report: Report): void {
  listOf(object.granular_markings).forEach((marking, index) => {
    const selectors = isObject(marking) ? listOf(marking.selectors) : [];
    selectors.forEach((selector, at) => {
      if (typeof selector !== 'string' || leadsSomewhere(object, selector)) return;
      const path = ['granular_markings', index, 'selectors', at];
      report(path, `The selector ${quoted(selector)} leads to nothing in the object; write it like "labels.[0]".`);
    });
  });
}

function checkSelfMarking(object: StixObject, report: Report): void {
  const { id } = object;
  listOf(object.object_marking_refs).forEach((ref, index) => {
    if (ref === id) report(['object_marking_refs', index], 'A marking cannot mark itself.');
  });
  listOf(object.granular_markings).forEach((marking, index) => {
    if (isObject(marking) && marking.marking_ref === id) {
      report(['granular_markings', index, 'marking_ref'], 'A marking cannot mark itself.');
    }
  });
}

function checkStatement({ definition_type: kind, definition }: StixObject, report: Report): void {
  if (kind !== 'statement' || !isObject(definition) || typeof definition.statement === 'string') return;
  report(['definition'], 'A statement marking needs {"statement": "…"}.');
}

// The standard writes these objects out; only the name may be left away.
function checkFixed(object: StixObject, report: Report, marking: TlpMarking): void {
  for (const property of ['id', 'name', 'created'] as const) {
    if (object[property] !== undefined && object[property] !== marking[property]) {
      report([property], `This TLP marking has "${property}": "${marking[property]}".`);
    }
  }
}

function checkTlp1(object: StixObject, report: Report): void {
  if (object.definition_type !== 'tlp') return;
  const value = isObject(object.definition) ? object.definition.tlp : undefined;
  const marking = tlp1Markings.find((known) => known.value === value);
  if (marking !== undefined) checkFixed(object, report, marking);
  else report(['definition'], 'There is only {"tlp": "white"}, "green", "amber" and "red".');
}

function checkTlp2(object: StixObject, report: Report): void {
  const extension = isObject(object.extensions) ? object.extensions[tlp2Extension] : undefined;
  const marking = tlp2Markings.find(({ id }) => id === object.id);
  const value = isObject(extension) ? extension.tlp_2_0 : undefined;
  const named = tlp2Markings.find((known) => known.value === value);
  const path = ['extensions', tlp2Extension];
  if (extension !== undefined && named === undefined)
    report(path, '"tlp_2_0" must be clear, green, amber, amber+strict or red.');
  if (extension === undefined && marking !== undefined)
    report(['extensions'], `The id is that of ${marking.name}, which needs the TLP 2.0 extension.`);
  if (named !== undefined) checkFixed(object, report, named);
}

const types = ['marking-definition'];

export const markingRules: readonly Rule[] = [
  { code: 'STIX-7.2.3-selector', level: 'error', check: checkSelectors },
  { code: 'STIX-7.2-self-marking', level: 'error', types, check: checkSelfMarking },
  { code: 'STIX-7.2.1-statement', level: 'error', types, check: checkStatement },
  { code: 'STIX-7.2.1-tlp', level: 'error', types, check: checkTlp1 },
  { code: 'TLP-2.0-marking', level: 'error', types, check: checkTlp2 },
];
