/** Whether two texts say the same: the order of members and the spelling of numbers and strings do not matter. */

import { createHash } from 'node:crypto';
import { canonicalNumber } from './decimal.ts';
import { endOfString } from './object-text.ts';
import { findVersionKey } from './timestamp.ts';

const whitespace = new Set([' ', '\t', '\n', '\r']);
const endOfToken = new Set([',', ']', '}', ...whitespace]);

/** Parts of a canonical text that are longer are replaced by their hash. */
const foldedFrom = 1024;

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

// Each level joins and sorts what its parts became; folded, no character is handled more than a few times, however
// deep it lies. No canonical text begins with the mark.
function fold(text: string): string {
  return text.length < foldedFrom ? text : `#${text.charAt(0)}${hashOf(text)}`;
}

// Compared as instants: `created` and `modified` name the version, however many zeros they are written with.
function canonicalVersion(text: string): string {
  const key = findVersionKey(JSON.parse(text) as string);
  return key === undefined ? text : `t${key}`;
}

/** Reads one JSON text from left to right. Its depth is bounded before: `readObject` refuses more than 100 levels. */
class CanonicalReader {
  private at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  private peek(): string {
    while (whitespace.has(this.text[this.at] ?? '')) this.at += 1;
    return this.text[this.at] ?? '';
  }

  value(depth = 0): string {
    const first = this.peek();
    if (first === '{') return this.object(depth + 1);
    if (first === '[') return this.list(depth + 1);
    return first === '"' ? this.string() : this.scalar();
  }

  private string(): string {
    const end = endOfString(this.text, this.at) + 1;
    const token = this.text.slice(this.at, end);
    this.at = end;
    return fold(token.includes('\\') ? JSON.stringify(JSON.parse(token)) : token);
  }

  private scalar(): string {
    const start = this.at;
    while (this.at < this.text.length && !endOfToken.has(this.text[this.at] as string)) this.at += 1;
    return canonicalNumber(this.text.slice(start, this.at));
  }

  private list(depth: number): string {
    const items: string[] = [];
    this.at += 1;
    while (this.peek() !== ']' && this.at < this.text.length) {
      items.push(this.value(depth));
      if (this.peek() === ',') this.at += 1;
    }
    this.at += 1;
    return fold(`[${items.join(',')}]`);
  }

  private object(depth: number): string {
    const members: string[] = [];
    this.at += 1;
    while (this.peek() !== '}' && this.at < this.text.length) {
      members.push(this.member(depth));
      if (this.peek() === ',') this.at += 1;
    }
    this.at += 1;
    return fold(`{${members.sort().join(',')}}`);
  }

  private member(depth: number): string {
    const name = this.string();
    this.peek();
    this.at += 1;
    const value = this.value(depth);
    const isVersion = depth === 1 && (name === '"created"' || name === '"modified"') && value.startsWith('"');
    return `${name}:${isVersion ? canonicalVersion(value) : value}`;
  }
}

function canonical(text: string): string {
  return new CanonicalReader(text).value();
}

/** Equal for two object texts if and only if they say the same, as far as SHA-256 tells: 22 characters. */
export function contentDigest(text: string): string {
  return hashOf(canonical(text)).slice(0, 22);
}

/** Whether two object texts say the same. Both are valid JSON that `readObject` found nothing wrong with. */
export function sameContent(a: string, b: string): boolean {
  return a === b || canonical(a) === canonical(b);
}
