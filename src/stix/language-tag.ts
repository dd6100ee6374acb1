/** Language tags (RFC 5646): their order of subtags, and whether IANA has registered each. */

import type { Text } from './issue.ts';
import * as registry from './language-subtags.ts';

/** Words such as `aa:bc` as a map. */
function decode(groups: string): ReadonlyMap<string, string> {
  const pairs = groups
    .trim()
    .split(/\s+/)
    .map((group) => group.split(':') as [string, string]);
  return new Map(pairs);
}

function setOf(words: string): ReadonlySet<string> {
  return new Set(words.trim().split(/\s+/));
}

const languages = decode(registry.languages);
const shorterLanguages = decode(registry.shorterLanguages);
const extlangs = decode(registry.extlangs);
const scripts = setOf(registry.scripts);
const regions = setOf(registry.regions);
const variants = setOf(registry.variants);
const grandfathered = setOf(registry.grandfathered);

/** Whether a subtag is in a map from all letters but the last to the last ones. */
function has(groups: ReadonlyMap<string, string>, subtag: string): boolean {
  return groups.get(subtag.slice(0, -1))?.includes(subtag.slice(-1)) === true;
}

// §2.2.1 to §2.2.4: ranges that are set aside for private use.
const privateLanguage = /^q[a-t][a-z]$/;
const privateScript = /^qa(?:a[a-z]|b[a-x])$/;
const privateRegion = /^(?:aa|q[m-z]|x[a-z]|zz)$/;

interface Kind {
  readonly form: RegExp;
  readonly isRegistered: (subtag: string) => boolean;
  readonly name: Text;
  /** How many may follow each other. */
  readonly most: number;
}

// In the order in which they stand (§2.1). Every form is followed by one that it can't be mistaken for.
const kinds: readonly Kind[] = [
  {
    form: /^[a-z]{3}$/,
    isRegistered: (subtag) => has(extlangs, subtag),
    name: { en: 'extended language', zh: '扩展语言' },
    most: 3,
  },
  {
    form: /^[a-z]{4}$/,
    isRegistered: (subtag) => scripts.has(subtag) || privateScript.test(subtag),
    name: { en: 'script', zh: '文字' },
    most: 1,
  },
  {
    form: /^(?:[a-z]{2}|[0-9]{3})$/,
    isRegistered: (subtag) => regions.has(subtag) || privateRegion.test(subtag),
    name: { en: 'region', zh: '地区' },
    most: 1,
  },
  {
    form: /^(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3})$/,
    isRegistered: (subtag) => variants.has(subtag),
    name: { en: 'variant', zh: '变体' },
    most: Number.POSITIVE_INFINITY,
  },
];

function unregistered(subtag: string, { en, zh }: Text): Text {
  return {
    en: `"${subtag}" is no ${en} of the IANA registry; use a tag of RFC 5646, such as "en", "zh-Hans" or "pt-BR".`,
    zh: `"${subtag}" 不是 IANA 注册的${zh}子标签；请使用 RFC 5646 的标签，例如 "en"、"zh-Hans" 或 "pt-BR"。`,
  };
}

function misplaced(subtag: string): Text {
  return {
    en: `"${subtag}" stands where no such subtag can; the order is language, script, region, variants (RFC 5646).`,
    zh: `"${subtag}" 的位置不对；顺序为语言、文字、地区、变体（RFC 5646）。`,
  };
}

/** What follows the language: ends at an extension or private use, whose subtags are not registered one by one. */
function findFaultAfter(subtags: readonly string[]): Text | undefined {
  let at = 1;
  for (const { form, isRegistered, name, most } of kinds) {
    for (let count = 0; count < most; count += 1) {
      const subtag = subtags[at];
      if (subtag === undefined || !form.test(subtag)) break;
      if (!isRegistered(subtag)) return unregistered(subtag, name);
      if (subtags.indexOf(subtag, 1) < at) return misplaced(subtag);
      at += 1;
    }
  }
  const next = subtags[at];
  if (next === undefined || next === 'x') return undefined;
  // §2.2.6: a single letter or digit, and at least one subtag that is longer.
  return next.length === 1 && (subtags[at + 1]?.length ?? 0) > 1 ? undefined : misplaced(next);
}

function isLanguage(subtag: string): boolean {
  return has(languages, subtag) || privateLanguage.test(subtag);
}

/**
 * The registered language of two letters that a code of three letters stands for: `en` for `eng`. RFC 5646 §2.2.1 has
 * only the shorter one, ISO 639-2 both, and real software writes either.
 */
export function findShorterLanguage(tag: string): string | undefined {
  // Three letters, alone or before more: all that can be such a code.
  return tag.length === 3 || tag[3] === '-' ? shorterLanguages.get(tag.slice(0, 3).toLowerCase()) : undefined;
}

// What the schema of language tags takes, a little wider: what it refuses is its matter.
const formed = /^[a-z0-9-]{2,100}$/;

/** What is wrong with a tag of legal characters; undefined when it is legal, or when the schema refuses it. */
export function findLanguageFault(tag: string): Text | undefined {
  const lower = tag.toLowerCase();
  if (!formed.test(lower) || grandfathered.has(lower)) return undefined;
  const subtags = lower.split('-');
  const [language = ''] = subtags;
  if (language === 'x' || subtags.some(({ length }) => length === 0 || length > 8)) return undefined;
  if (!isLanguage(language) && findShorterLanguage(language) === undefined) {
    return unregistered(language, { en: 'language', zh: '语言' });
  }
  return findFaultAfter(subtags);
}
