/** Rules about the parts of any object: values that are nowhere legal, identifiers, references to each other. */

import { isObject, listOf } from './json-value.ts';
import type { StixObject } from './object-types.ts';
import { quoted } from './pointer.ts';
import type { Report, Rule, RuleContext, Text } from './rule.ts';

type Path = (string | number)[];

export const nullText: Text = {
  en: 'null is never a value in STIX; leave the property out.',
  zh: 'STIX 中没有 null 值，请删去该属性。',
};
export const emptyListText: Text = {
  en: 'The standard has no empty lists; leave the property out.',
  zh: '标准不允许空列表，请删去该属性。',
};

// Reports where `isFaulty` holds, anywhere from this depth on, custom content included.
function reportEverywhere(
  value: object,
  isFaulty: (value: unknown) => boolean,
  report: Report,
  text: Text,
  depth = 1,
): void {
  const path: Path = [];
  const walk = (container: object): void => {
    for (const key in container) {
      const member = (container as Record<string, unknown>)[key];
      if (typeof member !== 'object') continue;
      path.push(key);
      if (isFaulty(member)) {
        if (path.length >= depth) report(path, text);
      } else if (member !== null) walk(member);
      path.pop();
    }
  };
  walk(value);
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function isNull(value: unknown): boolean {
  return value === null;
}

function checkNulls(object: StixObject, report: Report, { holdsNull }: RuleContext): void {
  if (holdsNull) reportEverywhere(object, isNull, report, nullText);
}

function checkEmptyLists(object: StixObject, report: Report, { holdsEmptyList }: RuleContext): void {
  if (!holdsEmptyList) return;
  for (const [name, value] of Object.entries(object)) if (isEmptyList(value)) report([name], emptyListText);
}

// Below the properties of an object, lists of the standard are the schemas' matter. What is left is inside custom
// content, whose types the standard does not define; the large public knowledge bases have empty lists there.
function checkInnerEmptyLists(object: StixObject, report: Report, { holdsEmptyList }: RuleContext): void {
  if (holdsEmptyList) reportEverywhere(object, isEmptyList, report, emptyListText, 2);
}

function checkCustomPrefix(object: StixObject, report: Report): void {
  const { id, type } = object;
  if (typeof id !== 'string' || typeof type !== 'string') return;
  if (id.startsWith(`${type}--`)) return;
  report(['id'], {
    en: `The id must begin with the type, ${quoted(type)}, and two hyphens.`,
    zh: `id 须以类型 ${quoted(type)} 和两个连字符开头。`,
  });
}

function danglingText(ref: unknown): Text {
  return {
    en: `${quoted(ref)} names nothing in the container; name one of its keys.`,
    zh: `${quoted(ref)} 在容器中没有对应项，请使用容器中已有的键。`,
  };
}

/** STIX 2.1 §2.13: in a container of an observed-data object, references are names in the same container. */
function checkContainer(object: StixObject, report: Report): void {
  const container = object.objects;
  if (!isObject(container)) return;
  const walk = (value: unknown, path: Path): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, member] of Object.entries(value)) {
      const refs = key.endsWith('_ref') ? [member] : key.endsWith('_refs') ? listOf(member) : [];
      const dangling = refs.find((ref) => typeof ref !== 'string' || !Object.hasOwn(container, ref));
      if (dangling !== undefined) report([...path, key], danglingText(dangling));
      walk(member, [...path, key]);
    }
  };
  walk(container, ['objects']);
}

export const contentRules: readonly Rule[] = [
  {
    code: 'STIX-2.9-id-prefix',
    section: 'STIX 2.1 §2.9',
    level: 'error',
    isForStandard: false,
    check: checkCustomPrefix,
  },
  { code: 'STIX-3.1-null', section: 'STIX 2.1 §3.1', level: 'error', check: checkNulls },
  { code: 'STIX-2.12-empty-list', section: 'STIX 2.1 §2.12', level: 'error', check: checkEmptyLists },
  { code: 'STIX-2.12-inner-empty-list', section: 'STIX 2.1 §2.12', level: 'warning', check: checkInnerEmptyLists },
  {
    code: 'STIX-2.13-container-ref',
    section: 'STIX 2.1 §2.13',
    level: 'error',
    types: ['observed-data'],
    check: checkContainer,
  },
];
