/** Languages: the tags that name them (STIX 2.1 §3.2), and translations (§7.1). */

import { isObject, listOf } from './json-value.ts';
import { findLanguageFault, findShorterLanguage } from './language-tag.ts';
import { customPropertiesOf, findObjectType, isObservable, type StixObject } from './object-types.ts';
import type { Report, Rule, Text } from './rule.ts';

type Path = readonly (string | number)[];

/** Calls `visit` with every language tag of the object that the standard gives a meaning. */
function visitTags(object: StixObject, visit: (tag: string, path: () => Path) => void): void {
  const { type, lang, granular_markings: markings, contents, languages } = object;
  if (typeof lang === 'string' && hasLang(object, type)) visit(lang, () => ['lang']);
  if (markings !== undefined) {
    listOf(markings).forEach((marking, index) => {
      if (!isObject(marking) || typeof marking.lang !== 'string') return;
      visit(marking.lang, () => ['granular_markings', index, 'lang']);
    });
  }
  if (type === 'language-content' && isObject(contents)) {
    for (const tag in contents) visit(tag, () => ['contents', tag]);
  }
  if (type === 'software' && languages !== undefined) {
    listOf(languages).forEach((tag, index) => {
      if (typeof tag === 'string') visit(tag, () => ['languages', index]);
    });
  }
}

// On observables and meta objects it is a custom property, and means what its author says.
function hasLang(object: StixObject, type: unknown): boolean {
  if (typeof type !== 'string') return false;
  const kind = findObjectType(type)?.kind;
  return kind === undefined ? !isObservable(object, type) : kind === 'sdo' || kind === 'sro';
}

function checkTags(object: StixObject, report: Report): void {
  visitTags(object, (tag, path) => {
    const fault = findLanguageFault(tag);
    if (fault !== undefined) report(path(), fault);
  });
}

function checkShortest(object: StixObject, report: Report): void {
  visitTags(object, (tag, path) => {
    const shorter = findShorterLanguage(tag);
    if (shorter === undefined) return;
    report(path(), {
      en: `RFC 5646 takes the shortest code of a language; write "${shorter}" in place of the three letters.`,
      zh: `RFC 5646 使用语言的最短代码；请用 "${shorter}" 代替三个字母的代码。`,
    });
  });
}

/** Calls `visit` with each translation: the dictionary under one language tag. */
function visitTranslations({ contents }: StixObject, visit: (translation: StixObject, tag: string) => void): void {
  if (!isObject(contents)) return;
  for (const tag in contents) {
    const translation = contents[tag];
    if (isObject(translation)) visit(translation, tag);
  }
}

const onlyText: Text = {
  en: 'Only text is translated: a text, or lists and dictionaries of texts that mirror the original; leave this out.',
  zh: '只有文本才会被翻译：应为文本，或与原对象结构一致的文本列表或字典；请去掉此项。',
};

/** Reports the values that are neither text nor hold any. What is null is an error of its own. */
function checkTexts(object: StixObject, report: Report): void {
  const path: (string | number)[] = ['contents'];
  const walk = (value: unknown): void => {
    if (typeof value === 'number' || typeof value === 'boolean') report([...path], onlyText);
    if (typeof value !== 'object' || value === null) return;
    for (const key in value) {
      path.push(key);
      walk((value as Record<string, unknown>)[key]);
      path.pop();
    }
  };
  visitTranslations(object, (translation, tag) => {
    path.push(tag);
    walk(translation);
    path.pop();
  });
}

// What these are on every type of the standard that has them.
const texts = 'name description abstract content explanation objective contact_information'.split(' ');
const lists = `labels aliases goals roles sectors authors object_marking_refs external_references kill_chain_phases
  modules descriptions`.split(/\s+/);
const textExpected: Text = { en: 'The original is a text; translate it as one.', zh: '原属性是文本，译文也应为文本。' };
const listExpected: Text = {
  en: 'The original is a list; translate it as a list of the same length, with "" for what is not translated.',
  zh: '原属性是列表；译文应为等长的列表，未翻译的项写作 ""。',
};

function checkShapes(object: StixObject, report: Report): void {
  visitTranslations(object, (translation, tag) => {
    for (const name of texts) {
      if (Array.isArray(translation[name]) || isObject(translation[name]))
        report(['contents', tag, name], textExpected);
    }
    for (const name of lists) {
      if (typeof translation[name] === 'string') report(['contents', tag, name], listExpected);
    }
  });
}

/** A property that the type of the original does not have is ignored by who reads the translation (§7.1.1). */
function checkProperties(object: StixObject, report: Report): void {
  const { object_ref: ref } = object;
  const type = typeof ref === 'string' ? ref.slice(0, Math.max(ref.indexOf('--'), 0)) : '';
  if (findObjectType(type) === undefined) return;
  visitTranslations(object, (translation, tag) => {
    for (const name of customPropertiesOf(translation, type)) {
      if (name.startsWith('x_')) continue;
      report(['contents', tag, name], {
        en: `The standard gives "${type}" no such property, so this is ignored; use the name of the translated property.`,
        zh: `标准中 "${type}" 没有这个属性，此译文会被忽略；请使用被翻译属性的名称。`,
      });
    }
  });
}

const types = ['language-content'];
/** The properties that hold tags. */
const needs = ['lang', 'granular_markings', 'contents', 'languages'];

export const languageRules: readonly Rule[] = [
  { code: 'STIX-3.2-language-subtag', section: 'STIX 2.1 §3.2', level: 'error', needs, check: checkTags },
  { code: 'STIX-3.2-shortest-language', section: 'STIX 2.1 §3.2', level: 'warning', needs, check: checkShortest },
  { code: 'STIX-7.1-contents-text', section: 'STIX 2.1 §7.1.1', level: 'warning', types, check: checkTexts },
  { code: 'STIX-7.1-contents-shape', section: 'STIX 2.1 §7.1.1', level: 'warning', types, check: checkShapes },
  { code: 'STIX-7.1-contents-property', section: 'STIX 2.1 §7.1.1', level: 'warning', types, check: checkProperties },
];
