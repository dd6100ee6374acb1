/**
 * The language of STIX patterns (STIX 2.1 §9): the text becomes a tree, or a fault with its position. Reading takes
 * linear time, and nothing in a pattern is ever executed, regular expressions included.
 *
 * What is read is the grammar and the form of constants. What only the meaning forbids is in `rules-pattern.ts`, so
 * that patterns from elsewhere can be read, searched and compared even then.
 */

import type { Text } from './issue.ts';
import { type ConstantType, PatternError, readToken, type Token } from './pattern-lexer.ts';
import { quoted } from './pointer.ts';

export interface Constant {
  readonly type: ConstantType;
  /** Between apostrophes without its escapes, else as written: numbers keep every digit. */
  readonly value: string;
  readonly offset: number;
}

/** A name (property, key of a dictionary, property of what a reference leads to), or an index of a list. */
export type Step = { readonly name: string } | { readonly index: number | '*' };

export interface ObjectPath {
  readonly objectType: string;
  /** At least one; the first is a name. */
  readonly steps: readonly Step[];
  readonly offset: number;
}

/** `==` and `<>` are read as `=` and `!=`. */
export type Operator =
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'IN'
  | 'LIKE'
  | 'MATCHES'
  | 'ISSUBSET'
  | 'ISSUPERSET'
  | 'EXISTS';

export interface Comparison {
  readonly kind: 'comparison';
  readonly path: ObjectPath;
  readonly negated: boolean;
  readonly operator: Operator;
  /** None for EXISTS, at least one for IN, one for the others. */
  readonly values: readonly Constant[];
}

/** Two or more operands of one operator, from left to right. Operands in parentheses stay operands of their own. */
export interface Joined<Kind, Operand> {
  readonly kind: Kind;
  readonly operands: readonly Operand[];
}

export type ComparisonExpression = Comparison | Joined<'AND' | 'OR', ComparisonExpression>;

export interface Observation {
  readonly kind: 'observation';
  readonly expression: ComparisonExpression;
}

export type Qualifier =
  | { readonly kind: 'WITHIN'; readonly seconds: number }
  | { readonly kind: 'REPEATS'; readonly times: number }
  | { readonly kind: 'START'; readonly start: Constant; readonly stop: Constant };

export interface Qualified {
  readonly kind: 'qualified';
  readonly expression: ObservationExpression;
  /** At least one, each kind at most once. */
  readonly qualifiers: readonly Qualifier[];
}

export type ObservationExpression =
  | Observation
  | Qualified
  | Joined<'AND' | 'OR' | 'FOLLOWEDBY', ObservationExpression>;

export interface Pattern {
  readonly expression: ObservationExpression;
  /** What the pattern looks for: every comparison in it, in the order of the text. */
  readonly comparisons: readonly Comparison[];
}

export interface PatternFault {
  /** Index into the text of the pattern, as JavaScript counts. */
  readonly offset: number;
  /** One sentence: what was expected and what is there. */
  readonly text: Text;
}

export const maxPatternLength = 1_048_576;
/** Names, symbols and constants: short ones cost more than their length. Ten thousand comparisons need fewer. */
export const maxPatternTokens = 100_000;
/** Of parentheses within each other. */
export const maxPatternDepth = 100;

const operators = new Map<string, Operator>([
  ['==', '='],
  ['<>', '!='],
  ...(['=', '!=', '<', '<=', '>', '>=', 'IN', 'LIKE', 'MATCHES', 'ISSUBSET', 'ISSUPERSET'] as const).map(
    (operator) => [operator, operator] as const,
  ),
]);
const onStrings = new Set<Operator>(['LIKE', 'MATCHES', 'ISSUBSET', 'ISSUPERSET']);
const onOrder = new Set<Operator>(['<', '<=', '>', '>=']);
const keywords = new Set(
  `AND OR NOT FOLLOWEDBY IN LIKE MATCHES ISSUBSET ISSUPERSET EXISTS WITHIN SECONDS REPEATS TIMES START STOP`.split(' '),
);

function same(words: string): Text {
  return { en: words, zh: words };
}

const constantWords: Readonly<Record<ConstantType, Text>> = {
  string: { en: 'string', zh: '字符串' },
  integer: { en: 'integer', zh: '整数' },
  float: { en: 'float', zh: '浮点数' },
  boolean: { en: 'boolean', zh: '布尔值' },
  binary: { en: 'binary', zh: '二进制值' },
  hex: { en: 'hex', zh: '十六进制值' },
  timestamp: { en: 'timestamp', zh: '时间' },
};

function describe({ kind, text }: Token): Text {
  if (kind === 'end') return { en: 'the end of the pattern', zh: '模式的结尾' };
  const upper = text.toUpperCase();
  if (kind === 'word' && upper !== text && keywords.has(upper)) {
    return {
      en: `${quoted(text)} (keywords are upper case: ${upper})`,
      zh: `${quoted(text)}（关键字须大写：${upper}）`,
    };
  }
  if (kind === 'word' || kind === 'symbol') return same(quoted(text));
  const { en, zh } = constantWords[kind];
  return { en: `the ${en} ${quoted(text)}`, zh: `${zh} ${quoted(text)}` };
}

// §9.6.1: a set is homogeneous. Both kinds of number compare with integers and floats (§9.2).
function kindInSet({ type }: Constant): string {
  return type === 'integer' || type === 'float' ? 'number' : type;
}

const expectations = {
  continuation: {
    en: 'AND, OR, FOLLOWEDBY, a qualifier or the end of the pattern',
    zh: ' AND、OR、FOLLOWEDBY、限定词或模式的结尾',
  },
  observation: { en: 'an observation expression in square brackets', zh: '方括号内的观测表达式' },
  endOfObservation: { en: 'AND, OR or "]"', zh: ' AND、OR 或 "]"' },
  seconds: { en: 'a positive number of seconds', zh: '正的秒数' },
  times: { en: 'a positive integer', zh: '正整数' },
  timestamp: { en: "a timestamp such as t'2024-03-01T08:00:00Z'", zh: "时间，例如 t'2024-03-01T08:00:00Z'" },
  exists: {
    en: 'EXISTS (before other operators NOT stands after the path)',
    zh: ' EXISTS（其他运算符的 NOT 写在路径之后）',
  },
  operator: { en: 'a comparison operator', zh: '比较运算符' },
  set: { en: 'the values of the set in parentheses', zh: '圆括号内的集合' },
  endOfSet: { en: '"," or ")"', zh: ' "," 或 ")"' },
  constant: { en: 'a constant (strings stand in apostrophes)', zh: '常量（字符串须放在单引号内）' },
  path: { en: 'an object path such as file:name', zh: '对象路径，例如 file:name' },
  colon: { en: '":" after the object type', zh: '对象类型之后的 ":"' },
  name: { en: 'the name of a property', zh: '属性名称' },
  index: { en: 'the index of a list or "*"', zh: '列表下标或 "*"' },
  endOfIndex: { en: '"]" after the index', zh: '下标之后的 "]"' },
} satisfies Record<string, Text>;

function stringAfter(operator: Operator): Text {
  return { en: `a string in apostrophes after ${operator}`, zh: `${operator} 之后单引号内的字符串` };
}

function orderAfter(operator: Operator): Text {
  return { en: `a constant that has an order after ${operator}`, zh: `${operator} 之后可比较大小的常量` };
}

const tooDeep: Text = {
  en: `Parentheses may be nested ${maxPatternDepth} deep, not deeper.`,
  zh: `括号最多嵌套 ${maxPatternDepth} 层。`,
};
const tooMany: Text = {
  en: `A pattern of more than ${maxPatternTokens} names, symbols and constants is not read; divide it.`,
  zh: `模式中的名称、符号和常量超过 ${maxPatternTokens} 个，不予读取，请拆分。`,
};
const tooLong: Text = {
  en: `A pattern of more than ${maxPatternLength} characters is not read; divide it.`,
  zh: `模式超过 ${maxPatternLength} 个字符，不予读取，请拆分。`,
};

/** Recursive descent with one token in hand; its methods are the rules of the grammar, tightest last. */
class PatternParser {
  readonly comparisons: Comparison[] = [];
  private readonly text: string;
  private token: Token;
  private tokens = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
    this.token = readToken(text, 0);
  }

  pattern(): ObservationExpression {
    const expression = this.observations();
    if (this.token.kind !== 'end') throw this.expected(expectations.continuation);
    return expression;
  }

  // §9.5.3: AND binds tighter than OR, OR tighter than FOLLOWEDBY.
  private observations(): ObservationExpression {
    const conjunction = () => this.joined('AND', () => this.qualified());
    return this.joined('FOLLOWEDBY', () => this.joined('OR', conjunction));
  }

  private qualified(): ObservationExpression {
    const expression = this.observation();
    const qualifiers: Qualifier[] = [];
    for (;;) {
      const { offset } = this.token;
      const qualifier = this.findQualifier();
      if (qualifier === undefined) break;
      // §9.5.1: an observation expression has no more than one qualifier of a kind.
      if (qualifiers.some(({ kind }) => kind === qualifier.kind)) {
        throw new PatternError(offset, {
          en: `An expression takes ${qualifier.kind} only once.`,
          zh: `一个表达式只能有一个 ${qualifier.kind}。`,
        });
      }
      qualifiers.push(qualifier);
    }
    return qualifiers.length === 0 ? expression : { kind: 'qualified', expression, qualifiers };
  }

  private observation(): ObservationExpression {
    if (this.isAt('(')) return this.inParentheses(() => this.observations());
    this.take('[', expectations.observation);
    const expression = this.comparisonExpression();
    this.take(']', expectations.endOfObservation);
    return { kind: 'observation', expression };
  }

  private findQualifier(): Qualifier | undefined {
    if (this.tookWord('WITHIN')) {
      const seconds = this.positive(['integer', 'float'], expectations.seconds);
      this.take('SECONDS');
      return { kind: 'WITHIN', seconds };
    }
    if (this.tookWord('REPEATS')) {
      const times = this.positive(['integer'], expectations.times);
      this.take('TIMES');
      return { kind: 'REPEATS', times };
    }
    if (!this.tookWord('START')) return undefined;
    const start = this.timestamp();
    this.take('STOP');
    return { kind: 'START', start, stop: this.timestamp() };
  }

  private positive(kinds: readonly Token['kind'][], expected: Text): number {
    const { kind, text } = this.token;
    // On the text: a very small number is not rounded to zero.
    if (!kinds.includes(kind) || text.startsWith('-') || !/[1-9]/.test(text)) throw this.expected(expected);
    this.advance();
    return Number(text);
  }

  private timestamp(): Constant {
    if (this.token.kind !== 'timestamp') throw this.expected(expectations.timestamp);
    return this.constant();
  }

  private comparisonExpression(): ComparisonExpression {
    return this.joined('OR', () => this.joined('AND', () => this.comparisonOrGroup()));
  }

  private comparisonOrGroup(): ComparisonExpression {
    if (this.isAt('(')) return this.inParentheses(() => this.comparisonExpression());
    const comparison = this.comparison();
    this.comparisons.push(comparison);
    return comparison;
  }

  private comparison(): Comparison {
    const isNot = this.tookWord('NOT');
    if (isNot && !this.isAtWord('EXISTS')) throw this.expected(expectations.exists);
    if (this.tookWord('EXISTS')) {
      return { kind: 'comparison', path: this.objectPath(), negated: isNot, operator: 'EXISTS', values: [] };
    }
    const path = this.objectPath();
    const negated = this.tookWord('NOT');
    const operator = this.operator();
    return {
      kind: 'comparison',
      path,
      negated,
      operator,
      values: operator === 'IN' ? this.set() : [this.value(operator)],
    };
  }

  private operator(): Operator {
    const operator = this.token.kind === 'string' ? undefined : operators.get(this.token.text);
    if (operator === undefined) throw this.expected(expectations.operator);
    this.advance();
    return operator;
  }

  private value(operator: Operator): Constant {
    const { kind } = this.token;
    if (onStrings.has(operator) && kind !== 'string') throw this.expected(stringAfter(operator));
    if (onOrder.has(operator) && kind === 'word') throw this.expected(orderAfter(operator));
    return this.constant();
  }

  private set(): Constant[] {
    this.take('(', expectations.set);
    const values = [this.constant()];
    const [first] = values as [Constant];
    while (this.took(',')) {
      const value = this.constant();
      if (kindInSet(value) !== kindInSet(first)) {
        const [expected, found] = [constantWords[first.type], constantWords[value.type]];
        throw new PatternError(value.offset, {
          en: `The values of a set are of one type; expected ${expected.en}, found ${found.en}.`,
          zh: `集合中的值须为同一类型；应为${expected.zh}，实为${found.zh}。`,
        });
      }
      values.push(value);
    }
    this.take(')', expectations.endOfSet);
    return values;
  }

  private constant(): Constant {
    const { kind, text: value, offset } = this.token;
    const isBoolean = kind === 'word' && (value === 'true' || value === 'false');
    if (!isBoolean && (kind === 'word' || kind === 'symbol' || kind === 'end')) {
      throw this.expected(expectations.constant);
    }
    this.advance();
    return { type: isBoolean ? 'boolean' : (kind as ConstantType), value, offset };
  }

  private objectPath(): ObjectPath {
    const { kind, text: objectType, offset } = this.token;
    if (kind !== 'word') throw this.expected(expectations.path);
    this.advance();
    this.take(':', expectations.colon);
    const steps: Step[] = [{ name: this.name() }];
    for (;;) {
      if (this.took('.')) steps.push({ name: this.name() });
      else if (this.took('[')) steps.push({ index: this.index() });
      else return { objectType, steps, offset };
    }
  }

  // §9.7: a name with a hyphen or a full stop stands in apostrophes.
  private name(): string {
    const { kind, text } = this.token;
    if ((kind !== 'word' && kind !== 'string') || text === '') throw this.expected(expectations.name);
    if (kind === 'word' && text.includes('-'))
      throw this.expected({
        en: `a name; with a hyphen it stands in apostrophes: '${text}'`,
        zh: `名称；含连字符时须放在单引号内：'${text}'`,
      });
    this.advance();
    return text;
  }

  private index(): number | '*' {
    const { kind, text } = this.token;
    const isIndex = kind === 'integer' && !text.startsWith('-');
    if (!isIndex && !this.isAt('*')) throw this.expected(expectations.index);
    this.advance();
    this.take(']', expectations.endOfIndex);
    return isIndex ? Number(text) : '*';
  }

  private joined<Kind extends string, Operand>(kind: Kind, read: () => Operand): Operand | Joined<Kind, Operand> {
    const first = read();
    if (!this.isAtWord(kind)) return first;
    const operands = [first];
    while (this.tookWord(kind)) operands.push(read());
    return { kind, operands };
  }

  private inParentheses<Expression>(read: () => Expression): Expression {
    const { offset } = this.token;
    this.depth += 1;
    if (this.depth > maxPatternDepth) {
      throw new PatternError(offset, tooDeep);
    }
    this.advance();
    const expression = read();
    this.take(')', {
      en: `")" for the parenthesis at character ${offset + 1}`,
      zh: `")"，与第 ${offset + 1} 个字符处的括号配对`,
    });
    this.depth -= 1;
    return expression;
  }

  private isAt(symbol: string): boolean {
    return this.token.kind === 'symbol' && this.token.text === symbol;
  }

  private isAtWord(keyword: string): boolean {
    return this.token.kind === 'word' && this.token.text === keyword;
  }

  private took(symbol: string): boolean {
    const isThere = this.isAt(symbol);
    if (isThere) this.advance();
    return isThere;
  }

  private tookWord(keyword: string): boolean {
    const isThere = this.isAtWord(keyword);
    if (isThere) this.advance();
    return isThere;
  }

  private take(text: string, expected: Text = same(text)): void {
    if (!this.isAt(text) && !this.isAtWord(text)) throw this.expected(expected);
    this.advance();
  }

  private advance(): void {
    this.tokens += 1;
    if (this.tokens > maxPatternTokens) throw new PatternError(this.token.offset, tooMany);
    this.token = readToken(this.text, this.token.end);
  }

  private expected(what: Text): PatternError {
    const found = describe(this.token);
    return new PatternError(this.token.offset, {
      en: `Expected ${what.en}, found ${found.en}.`,
      zh: `应为${what.zh}，实为 ${found.zh}。`,
    });
  }
}

/** Reads a pattern. Never throws; a pattern longer than `maxPatternLength` is a fault. */
export function parsePattern(text: string): { readonly pattern: Pattern } | { readonly fault: PatternFault } {
  if (text.length > maxPatternLength) {
    return { fault: { offset: maxPatternLength, text: tooLong } };
  }
  try {
    const parser = new PatternParser(text);
    return { pattern: { expression: parser.pattern(), comparisons: parser.comparisons } };
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    return { fault: { offset: error.offset, text: error.text } };
  }
}
