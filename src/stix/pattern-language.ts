/** What the light checks of patterns in other languages than STIX's own have in common. */

import type { Text } from './issue.ts';

/** Something in a pattern that is wrong (`error`: no engine would load it) or doubtful. */
export interface Finding {
  readonly level: 'error' | 'warning';
  /** Index into the text of the pattern, as JavaScript counts. */
  readonly offset: number;
  /** What is wrong there and what would be right. */
  readonly text: Text;
}

/** A check of one language: reads the text once and never throws. */
export type FindPatternFaults = (pattern: string) => readonly Finding[];

/** More findings than that are not collected. */
export const maxFindings = 20;

/** Where a text has a fault, as its author counts, put before the sentence about it. */
export function atPosition(pattern: string, { offset, text }: Pick<Finding, 'offset' | 'text'>): Text {
  const lineStart = pattern.lastIndexOf('\n', offset - 1) + 1;
  let line = 1;
  for (let at = pattern.indexOf('\n'); at !== -1 && at < offset; at = pattern.indexOf('\n', at + 1)) line += 1;
  const column = Math.max(offset - lineStart, 0) + 1;
  return {
    en: `At line ${line}, column ${column}: ${text.en}`,
    zh: `第 ${line} 行第 ${column} 列：${text.zh}`,
  };
}

export interface Line {
  readonly text: string;
  /** Where it begins in the pattern. */
  readonly offset: number;
}

/** The lines of a text without what ends them. */
export function* linesOf(pattern: string): Generator<Line> {
  for (let offset = 0; offset <= pattern.length; ) {
    const feed = pattern.indexOf('\n', offset);
    const end = feed === -1 ? pattern.length : feed;
    const isReturn = end > offset && pattern.charCodeAt(end - 1) === 0x0d;
    yield { text: pattern.slice(offset, isReturn ? end - 1 : end), offset };
    offset = end + 1;
  }
}
