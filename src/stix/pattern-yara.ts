/** A light look at YARA rules: what no version of YARA compiles is found by reading the text once. */

import type { Text } from './issue.ts';
import type { Finding, FindPatternFaults } from './pattern-language.ts';

const texts = {
  comment: {
    en: 'A comment that opens here is never closed; end it with */.',
    zh: '此处开始的注释没有结束，请以 */ 结尾。',
  },
  string: {
    en: 'A string that opens here is not closed on its line.',
    zh: '此处开始的字符串没有在同一行结束。',
  },
  regex: {
    en: 'A regular expression that opens here is not closed on its line.',
    zh: '此处开始的正则表达式没有在同一行结束。',
  },
  hex: {
    en: 'A hexadecimal string that opens here is never closed; end it with }.',
    zh: '此处开始的十六进制字符串没有结束，请以 } 结尾。',
  },
  rule: {
    en: 'Expected "rule NAME { … }", "import" or "include" here.',
    zh: '此处应为 "rule 名称 { … }"、"import" 或 "include"。',
  },
  name: { en: 'A rule needs a name after the word "rule".', zh: '"rule" 之后须有规则名称。' },
  file: {
    en: 'Expected a text in quotation marks after "import" or "include".',
    zh: '"import" 或 "include" 之后应为双引号内的文本。',
  },
  open: { en: 'Expected "{" after the head of the rule.', zh: '规则头之后应为 "{"。' },
  close: {
    en: 'The rule that opens here is never closed; end it with }.',
    zh: '此处开始的规则没有结束，请以 } 结尾。',
  },
  parenthesis: { en: 'This parenthesis or bracket has no counterpart in the rule.', zh: '该括号在规则中没有配对。' },
  condition: {
    en: 'The rule has no "condition:"; every rule needs one.',
    zh: '该规则没有 "condition:"，每条规则都必须有。',
  },
} as const satisfies Record<string, Text>;

class YaraFault extends Error {
  readonly offset: number;
  readonly text: Text;

  constructor(what: keyof typeof texts, offset: number) {
    super(texts[what].en);
    this.offset = offset;
    this.text = texts[what];
  }
}

interface Token {
  readonly kind: 'word' | 'string' | 'literal' | 'symbol' | 'end';
  readonly text: string;
  readonly offset: number;
}

// Sticky, and each loop is over one class of characters. A string or an expression ends on its line.
const space = /[\s\ufeff]*/y;
const word = /[A-Za-z_$#@!][A-Za-z0-9_$*]*/y;
const quotedText = /"(?:[^"\\\r\n]|\\[^\r\n])*"/y;
const expression = /\/(?:[^/\\\r\n]|\\[^\r\n])+\/[is]*/y;
const counterparts: Readonly<Record<string, string>> = { ')': '(', ']': '[' };

/** Reads tokens; its `rule` follows the grammar as far as it is certain. */
class YaraReader {
  private readonly pattern: string;
  private token: Token;
  private end = 0;

  constructor(pattern: string) {
    this.pattern = pattern;
    this.token = this.next();
  }

  file(): void {
    while (this.token.kind !== 'end') {
      if (this.isWord('import') || this.isWord('include')) this.inclusion();
      else this.rule();
    }
  }

  private inclusion(): void {
    this.advance();
    if (this.token.kind !== 'string') throw new YaraFault('file', this.token.offset);
    this.advance();
  }

  private rule(): void {
    while (this.isWord('private') || this.isWord('global')) this.advance();
    const { offset } = this.token;
    if (!this.isWord('rule')) throw new YaraFault('rule', offset);
    this.advance();
    if (this.token.kind !== 'word') throw new YaraFault('name', this.token.offset);
    this.advance();
    while (this.token.kind === 'word' || this.isSymbol(':')) this.advance();
    if (!this.isSymbol('{')) throw new YaraFault('open', this.token.offset);
    this.advance();
    this.body(offset);
  }

  private body(ruleOffset: number): void {
    const open: Token[] = [];
    let hasCondition = false;
    for (; !this.isSymbol('}'); this.advance()) {
      if (this.token.kind === 'end') throw new YaraFault('close', ruleOffset);
      if (this.isWord('condition')) hasCondition = true;
      this.match(open);
    }
    const [left] = open;
    if (left !== undefined) throw new YaraFault('parenthesis', left.offset);
    if (!hasCondition) throw new YaraFault('condition', ruleOffset);
    this.advance();
  }

  private match(open: Token[]): void {
    const { kind, text, offset } = this.token;
    if (kind !== 'symbol') return;
    if (text === '(' || text === '[') open.push(this.token);
    const counterpart = counterparts[text];
    if (counterpart !== undefined && open.pop()?.text !== counterpart) throw new YaraFault('parenthesis', offset);
  }

  private isWord(text: string): boolean {
    return this.token.kind === 'word' && this.token.text === text;
  }

  private isSymbol(text: string): boolean {
    return this.token.kind === 'symbol' && this.token.text === text;
  }

  // After "=" a brace opens a hexadecimal string, else the body of a rule.
  private advance(): void {
    const isAssigned = this.isSymbol('=');
    this.token = this.next();
    if (!isAssigned || !this.isSymbol('{')) return;
    const { offset } = this.token;
    while (!this.isSymbol('}')) {
      this.token = this.next(true);
      if (this.token.kind === 'end') throw new YaraFault('hex', offset);
    }
    this.token = { kind: 'literal', text: '', offset };
  }

  private matchAt(form: RegExp, at: number): string | undefined {
    form.lastIndex = at;
    return form.exec(this.pattern)?.[0];
  }

  /** Where the next token begins: white space and comments are passed over. */
  private start(): number {
    const { pattern } = this;
    for (let at = this.end; ; ) {
      at += this.matchAt(space, at)?.length ?? 0;
      const isLine = pattern.startsWith('//', at);
      if (!isLine && !pattern.startsWith('/*', at)) return at;
      const close = pattern.indexOf(isLine ? '\n' : '*/', at + 2);
      if (close === -1 && !isLine) throw new YaraFault('comment', at);
      at = close === -1 ? pattern.length : close + (isLine ? 1 : 2);
    }
  }

  private next(isHex = false): Token {
    const offset = this.start();
    const character = this.pattern.charAt(offset);
    const quote = isHex ? '' : character;
    const kind = quote === '"' ? 'string' : quote === '/' ? 'literal' : undefined;
    const form = kind === 'string' ? quotedText : kind === 'literal' ? expression : word;
    const text = this.matchAt(form, offset);
    if (text === undefined && kind !== undefined) throw new YaraFault(kind === 'string' ? 'string' : 'regex', offset);
    this.end = offset + (text ?? character).length;
    if (text !== undefined) return { kind: kind ?? 'word', text, offset };
    return { kind: character === '' ? 'end' : 'symbol', text: character, offset };
  }
}

/** Finds the first thing that no YARA compiles: a literal, comment or bracket without its end, a rule without a condition. */
export const findYaraFaults: FindPatternFaults = (pattern) => {
  try {
    new YaraReader(pattern).file();
    return [];
  } catch (error) {
    if (!(error instanceof YaraFault)) throw error;
    const finding: Finding = { level: 'error', offset: error.offset, text: error.text };
    return [finding];
  }
};
