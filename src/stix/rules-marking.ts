/** Rules about data markings (STIX 2.1 §7.2). */

import { isObject, listOf } from './json-value.ts';
import { type TlpMarking, tlp1Markings, tlp2Extension, tlp2Markings } from './markings.ts';
import type { StixObject } from './object-types.ts';
import type { Report, Rule, Text } from './rule.ts';

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

const selectorText: Text = {
  en: 'The selector leads to nothing in the object; write it like "labels.[0]".',
  zh: '该选择器在对象中找不到内容；写法例如 "labels.[0]"。',
};

function checkSelectors(object: StixObject, report: Report): void {
  listOf(object.granular_markings).forEach((marking, index) => {
    const selectors = isObject(marking) ? listOf(marking.selectors) : [];
    selectors.forEach((selector, at) => {
      if (typeof selector !== 'string' || leadsSomewhere(object, selector)) return;
      const path = ['granular_markings', index, 'selectors', at];
      report(path, selectorText);
    });
  });
}

const selfText: Text = {
  en: 'A marking cannot mark itself; name another marking.',
  zh: '标记不能标记自身，请引用其他标记。',
};

function checkSelfMarking(object: StixObject, report: Report): void {
  const { id } = object;
  listOf(object.object_marking_refs).forEach((ref, index) => {
    if (ref === id) report(['object_marking_refs', index], selfText);
  });
  listOf(object.granular_markings).forEach((marking, index) => {
    if (isObject(marking) && marking.marking_ref === id) {
      report(['granular_markings', index, 'marking_ref'], selfText);
    }
  });
}

function checkStatement({ definition_type: kind, definition }: StixObject, report: Report): void {
  if (kind !== 'statement' || !isObject(definition) || typeof definition.statement === 'string') return;
  report(['definition'], {
    en: 'A statement marking needs {"statement": "…"}.',
    zh: 'statement 标记需要 {"statement": "…"}。',
  });
}

// The standard writes these objects out; only the name may be left away.
function checkFixed(object: StixObject, report: Report, marking: TlpMarking): void {
  for (const property of ['id', 'name', 'created'] as const) {
    if (object[property] !== undefined && object[property] !== marking[property]) {
      report([property], {
        en: `This TLP marking has "${property}": "${marking[property]}".`,
        zh: `此 TLP 标记的 "${property}" 须为 "${marking[property]}"。`,
      });
    }
  }
}

// Who refers to the id means that marking. A warning: what other producers publish has statements under such ids.
function checkTlp1Id({ id, definition_type: kind }: StixObject, report: Report): void {
  if (kind === 'tlp') return;
  const marking = tlp1Markings.find((known) => known.id === id);
  if (marking === undefined) return;
  report(['id'], {
    en: `This is the id of ${marking.name}, which has "definition_type": "tlp" and "definition": {"tlp": "${marking.value}"}; give another marking an id of its own.`,
    zh: `这是 ${marking.name} 的 id，它有 "definition_type": "tlp" 和 "definition": {"tlp": "${marking.value}"}；其他标记请使用自己的 id。`,
  });
}

function checkTlp1(object: StixObject, report: Report): void {
  if (object.definition_type !== 'tlp') return;
  const value = isObject(object.definition) ? object.definition.tlp : undefined;
  const marking = tlp1Markings.find((known) => known.value === value);
  if (marking !== undefined) checkFixed(object, report, marking);
  else
    report(['definition'], {
      en: 'There is only {"tlp": "white"}, "green", "amber" and "red".',
      zh: '只有 {"tlp": "white"}、"green"、"amber" 和 "red"。',
    });
}

function checkTlp2(object: StixObject, report: Report): void {
  const extension = isObject(object.extensions) ? object.extensions[tlp2Extension] : undefined;
  const marking = tlp2Markings.find(({ id }) => id === object.id);
  const value = isObject(extension) ? extension.tlp_2_0 : undefined;
  const named = tlp2Markings.find((known) => known.value === value);
  if (extension === undefined && marking !== undefined)
    report(['extensions'], {
      en: `The id is that of ${marking.name}, which needs the TLP 2.0 extension.`,
      zh: `该 id 属于 ${marking.name}，须带有 TLP 2.0 扩展。`,
    });
  if (named !== undefined) checkFixed(object, report, named);
}

const types = ['marking-definition'];

export const markingRules: readonly Rule[] = [
  { code: 'STIX-7.2-self-marking', section: 'STIX 2.1 §7.2', level: 'error', types, check: checkSelfMarking },
  { code: 'STIX-7.2.1-statement', section: 'STIX 2.1 §7.2.1', level: 'error', types, check: checkStatement },
  { code: 'STIX-7.2.1-tlp', section: 'STIX 2.1 §7.2.1', level: 'error', types, check: checkTlp1 },
  { code: 'STIX-7.2.1-tlp-id', section: 'STIX 2.1 §7.2.1', level: 'warning', types, check: checkTlp1Id },
  { code: 'TLP-2.0-marking', section: 'TLP 2.0 extension of STIX 2.1', level: 'error', types, check: checkTlp2 },
];

export const selectorRules: readonly Rule[] = [
  {
    code: 'STIX-7.2.3-selector',
    section: 'STIX 2.1 §7.2.3',
    level: 'error',
    needs: ['granular_markings'],
    check: checkSelectors,
  },
];
