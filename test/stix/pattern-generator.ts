/** Random pattern trees without positions, and their text. */

import type { Constant, ObjectPath, Operator, Step } from '../../src/stix/pattern.ts';

type Value = Omit<Constant, 'offset'>;
type Joined = { readonly kind: 'AND' | 'OR' | 'FOLLOWEDBY'; readonly operands: readonly Expression[] };
type Qualifier =
  | { readonly kind: 'WITHIN'; readonly seconds: number }
  | { readonly kind: 'REPEATS'; readonly times: number }
  | { readonly kind: 'START'; readonly start: Value; readonly stop: Value };

export type Expression =
  | {
      readonly kind: 'comparison';
      readonly path: Omit<ObjectPath, 'offset'>;
      readonly negated: boolean;
      readonly operator: Operator;
      readonly values: readonly Value[];
    }
  | { readonly kind: 'observation'; readonly expression: Expression }
  | { readonly kind: 'qualified'; readonly expression: Expression; readonly qualifiers: readonly Qualifier[] }
  | Joined;

const samples: Readonly<Record<Constant['type'], readonly string[]>> = {
  string: ['', 'a', "it's", 'C:\\Windows\\', "\\'", '恶意 𝕏', "] AND [t'", '(a+)+$'],
  integer: ['0', '-1', '42', '9007199254740991'],
  float: ['0.5', '-12.250', '.5'],
  boolean: ['true', 'false'],
  binary: ['', 'ABI=', 'ABIC'],
  hex: ['', 'ffc3'],
  timestamp: ['2024-03-01T08:00:00Z', '2024-02-29T23:59:60.123456789Z'],
};
const prefixes: Readonly<Record<string, string>> = { string: '', binary: 'b', hex: 'h', timestamp: 't' };
const names = ['value', 'x', 'MD5', 'AND', 't', '_a', 'SHA-256', 'a.b', "o'clock", '0', '*', '名'];
const orderedTypes = ['string', 'integer', 'float', 'binary', 'hex', 'timestamp'] as const;
const allTypes = [...orderedTypes, 'boolean'] as const;
const equality: readonly Operator[] = ['=', '!='];
const order: readonly Operator[] = ['<', '<=', '>', '>='];
const strings: readonly Operator[] = ['LIKE', 'MATCHES', 'ISSUBSET', 'ISSUPERSET'];

/** Each call makes another tree, a few levels deep. */
export function createPatterns(random: () => number): () => Expression {
  const below = (count: number) => Math.floor(random() * count);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const several = <T>(least: number, make: () => T) => Array.from({ length: least + below(3) }, make);

  function value(types: readonly Constant['type'][]): Value {
    const type = pick(types);
    return { type, value: pick(samples[type]) };
  }

  function path(): Omit<ObjectPath, 'offset'> {
    const step = (): Step => (below(3) > 0 ? { name: pick(names) } : { index: pick([0, 17, '*'] as const) });
    return {
      objectType: pick(['file', 'x-usb-device', 'a', 't', 'EXISTED']),
      steps: [{ name: pick(names) }, ...several(0, step)],
    };
  }

  function comparison(): Expression {
    const operator = pick([...equality, ...order, ...strings, 'IN', 'EXISTS'] as const);
    const types = strings.includes(operator)
      ? (['string'] as const)
      : order.includes(operator)
        ? orderedTypes
        : allTypes;
    const ofSet = [pick(allTypes)];
    const values = operator === 'EXISTS' ? [] : operator === 'IN' ? several(1, () => value(ofSet)) : [value(types)];
    return { kind: 'comparison', path: path(), negated: below(2) === 0, operator, values };
  }

  function compared(depth: number): Expression {
    if (depth === 0 || below(2) === 0) return comparison();
    return { kind: pick(['AND', 'OR'] as const), operands: several(2, () => compared(depth - 1)) };
  }

  function qualifiers(): Qualifier[] {
    const all: Qualifier[] = [
      { kind: 'WITHIN', seconds: pick([1, 0.5, 300]) },
      { kind: 'REPEATS', times: 1 + below(9) },
      { kind: 'START', start: value(['timestamp']), stop: value(['timestamp']) },
    ];
    const from = below(3);
    return all.slice(from, from + 1 + below(3));
  }

  function observed(depth: number): Expression {
    const choice = depth === 0 ? 0 : below(3);
    if (choice === 0) return { kind: 'observation', expression: compared(3) };
    if (choice === 1) return { kind: 'qualified', expression: observed(depth - 1), qualifiers: qualifiers() };
    return { kind: pick(['AND', 'OR', 'FOLLOWEDBY'] as const), operands: several(2, () => observed(depth - 1)) };
  }

  return () => observed(3);
}

const escaped = (text: string) => text.replaceAll(/['\\]/g, '\\$&');
const binding = ['FOLLOWEDBY', 'OR', 'AND'];

function printValue({ type, value }: Value): string {
  const prefix = prefixes[type];
  return prefix === undefined ? value : `${prefix}'${escaped(value)}'`;
}

function printPath({ objectType, steps }: Omit<ObjectPath, 'offset'>): string {
  const texts = steps.map((step) => {
    if ('index' in step) return `[${step.index}]`;
    return /^[A-Za-z_]\w*$/.test(step.name) ? `.${step.name}` : `.'${escaped(step.name)}'`;
  });
  return `${objectType}:${texts.join('').slice(1)}`;
}

function printQualifier(qualifier: Qualifier): string {
  if (qualifier.kind === 'WITHIN') return `WITHIN ${qualifier.seconds} SECONDS`;
  if (qualifier.kind === 'REPEATS') return `REPEATS ${qualifier.times} TIMES`;
  return `START ${printValue(qualifier.start)} STOP ${printValue(qualifier.stop)}`;
}

// In parentheses whatever binds no tighter than its surroundings: equal operators stay operands of their own.
function printOperand(operand: Expression, outer: Joined['kind']): string {
  const text = print(operand);
  const isTighter = !('operands' in operand) || binding.indexOf(operand.kind) > binding.indexOf(outer);
  return isTighter ? text : `(${text})`;
}

/** The text of a tree, with the least parentheses. */
export function print(node: Expression): string {
  if (node.kind === 'observation') return `[${print(node.expression)}]`;
  if (node.kind === 'qualified') {
    const inner = print(node.expression);
    const text = node.expression.kind === 'observation' ? inner : `(${inner})`;
    return [text, ...node.qualifiers.map(printQualifier)].join(' ');
  }
  if (node.kind !== 'comparison')
    return node.operands.map((operand) => printOperand(operand, node.kind)).join(` ${node.kind} `);
  const not = node.negated ? 'NOT ' : '';
  if (node.operator === 'EXISTS') return `${not}EXISTS ${printPath(node.path)}`;
  const values = node.values.map(printValue).join(', ');
  return `${printPath(node.path)} ${not}${node.operator} ${node.operator === 'IN' ? `(${values})` : values}`;
}
