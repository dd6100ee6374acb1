/** The rule for patterns in indicators: they parse, and say nothing that the text of the standard forbids. */

import type { StixObject } from './object-types.ts';
import {
  type ComparisonExpression,
  type Constant,
  type ObjectPath,
  type ObservationExpression,
  type Operator,
  type PatternFault,
  parsePattern,
  type Qualifier,
} from './pattern.ts';
import { quoted } from './pointer.ts';
import { findRegularExpressionFault } from './regular-expression.ts';
import type { Report, Rule } from './rule.ts';
import { isIpv4, isIpv6 } from './rules-value.ts';
import { findVersionKey } from './timestamp.ts';

type ReportFault = (fault: PatternFault) => void;

// §3.1; the patterns of schemas/common. Deeper names may be keys of dictionaries.
const typeName = /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){2,249}$/;
const propertyName = /^(?:id|[a-z][a-z0-9_]{2,249})$/;

function checkNames({ objectType, steps: [first], offset }: ObjectPath, report: ReportFault): void {
  if (!typeName.test(objectType)) {
    const text = {
      en: `${quoted(objectType)} is no name of an object type: lower-case letters, digits and single hyphens, 3 to 250 characters.`,
      zh: `${quoted(objectType)} 不是对象类型名：须为小写字母、数字和单个连字符，3 至 250 个字符。`,
    };
    report({ offset, text });
  }
  if (first !== undefined && 'name' in first && !propertyName.test(first.name)) {
    const text = {
      en: `${quoted(first.name)} is no name of a property: lower-case letters, digits and underscores, 3 to 250 characters.`,
      zh: `${quoted(first.name)} 不是属性名：须为小写字母、数字和下划线，3 至 250 个字符。`,
    };
    report({ offset, text });
  }
}

// §9.2: a timestamp constant is a timestamp of §2.16, so its day exists.
function checkTimestamp({ type, value, offset }: Constant, report: ReportFault): void {
  if (type !== 'timestamp' || findVersionKey(value) !== undefined) return;
  report({
    offset,
    text: { en: `${quoted(value)} is no real date and time.`, zh: `${quoted(value)} 不是真实的日期时间。` },
  });
}

// §9.6.1: MATCHES takes a regular expression of PCRE, the set operators an address or CIDR block.
function checkConstant(operator: Operator, constant: Constant, report: ReportFault): void {
  const { value, offset } = constant;
  checkTimestamp(constant, report);
  const isOnNetworks = operator === 'ISSUBSET' || operator === 'ISSUPERSET';
  if (isOnNetworks && !isIpv4(value) && !isIpv6(value)) {
    const text = {
      en: `${quoted(value)} after ${operator} is neither an address nor a CIDR block.`,
      zh: `${operator} 之后的 ${quoted(value)} 既不是地址也不是 CIDR 地址块。`,
    };
    report({ offset, text });
  }
  const fault = operator === 'MATCHES' ? findRegularExpressionFault(value) : undefined;
  if (fault === undefined) return;
  const text = {
    en: `${quoted(value)} is no regular expression: ${fault.en}.`,
    zh: `${quoted(value)} 不是正则表达式：${fault.zh}。`,
  };
  report({ offset, text });
}

// §9.5.1: observed at or after START and before STOP, which would be never.
function checkPeriod(qualifier: Qualifier, report: ReportFault): void {
  if (qualifier.kind !== 'START') return;
  const { start, stop } = qualifier;
  checkTimestamp(start, report);
  checkTimestamp(stop, report);
  const [from, to] = [findVersionKey(start.value), findVersionKey(stop.value)];
  if (from !== undefined && to !== undefined && from > to) {
    const text = {
      en: `STOP ${quoted(stop.value)} must not be earlier than START.`,
      zh: `STOP ${quoted(stop.value)} 不得早于 START。`,
    };
    report({ offset: stop.offset, text });
  }
}

function firstOffset(expression: ComparisonExpression): number {
  if (expression.kind === 'comparison') return expression.path.offset;
  const [first] = expression.operands;
  return first === undefined ? 0 : firstOffset(first);
}

// Both change one of the two sets, the cheaper one: so deep nesting of many types stays close to linear.
function intersect(a: Set<string>, b: Set<string>): Set<string> {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const type of small) if (!large.has(type)) small.delete(type);
  return small;
}

function unite(a: Set<string>, b: Set<string>): Set<string> {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const type of small) large.add(type);
  return large;
}

/**
 * The types of object that could satisfy the expression. Doubtful in the field, since the grammar has it; the text is
 * plain: paths of different object types MUST be joined by OR, and all operands of AND MUST be satisfiable with the
 * same object (§9.5).
 */
function typesOf(expression: ComparisonExpression, report: ReportFault): Set<string> {
  if (expression.kind === 'comparison') return new Set([expression.path.objectType]);
  let types: Set<string> | undefined;
  for (const operand of expression.operands) {
    const more = typesOf(operand, report);
    const [before] = types ?? [];
    const mayJoin = before !== undefined && more.size > 0;
    types = types === undefined ? more : expression.kind === 'OR' ? unite(types, more) : intersect(types, more);
    if (mayJoin && types.size === 0) {
      const text = {
        en: `AND joins comparisons of one object, and none of type ${quoted(before)} satisfies this one; use OR, or brackets of its own.`,
        zh: `AND 连接同一对象的比较，而 ${quoted(before)} 类型的对象不满足此项；请用 OR，或另用方括号。`,
      };
      report({ offset: firstOffset(operand), text });
    }
  }
  return types ?? new Set();
}

function checkExpression(expression: ObservationExpression, report: ReportFault): void {
  if (expression.kind === 'observation') {
    if (expression.expression.kind !== 'comparison') typesOf(expression.expression, report);
  } else if (expression.kind === 'qualified') {
    for (const qualifier of expression.qualifiers) checkPeriod(qualifier, report);
    checkExpression(expression.expression, report);
  } else for (const operand of expression.operands) checkExpression(operand, report);
}

// More are not listed, and each costs its sentences.
const enoughFaults = 100;

function checkPattern(
  { pattern: text, pattern_type: type, pattern_version: version }: StixObject,
  report: Report,
): void {
  // Version 2.0 of the language has another grammar.
  if (typeof text !== 'string' || type !== 'stix' || version === '2.0') return;
  let faults = 0;
  const reportFault: ReportFault = ({ offset, text: { en, zh } }) => {
    faults += 1;
    report(['pattern'], { en: `At character ${offset + 1}: ${en}`, zh: `第 ${offset + 1} 个字符：${zh}` });
  };
  const result = parsePattern(text);
  if ('fault' in result) {
    reportFault(result.fault);
    return;
  }
  checkExpression(result.pattern.expression, reportFault);
  for (const { path, operator, values } of result.pattern.comparisons) {
    if (faults > enoughFaults) return;
    checkNames(path, reportFault);
    for (const value of values) checkConstant(operator, value, reportFault);
  }
}

export const patternRules: readonly Rule[] = [
  { code: 'STIX-9-pattern', section: 'STIX 2.1 §9', level: 'error', types: ['indicator'], check: checkPattern },
];
