/** What the types of JSON Schema are called in sentences. */

import type { Text } from './issue.ts';

const words: Readonly<Record<string, Text>> = {
  string: { en: 'a string', zh: '字符串' },
  boolean: { en: 'true or false', zh: 'true 或 false' },
  integer: { en: 'a whole number', zh: '整数' },
  number: { en: 'a number', zh: '数字' },
  array: { en: 'a list', zh: '列表' },
  object: { en: 'a dictionary', zh: '字典' },
  null: { en: 'null', zh: 'null' },
};

export function wordOfType(type: string): Text {
  return words[type] ?? { en: type, zh: type };
}
