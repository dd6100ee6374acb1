/**
 * Writes JavaScript that says of a value whether schemas take it, and no more. Nearly every object is valid, and nobody
 * asks why: one loop over its properties is enough for that, where code that can list all faults looks up every
 * property that there might be. Whoever gets a no asks the validator that ajv makes; a yes is final.
 */

type Schema = Readonly<Record<string, unknown>>;

export interface SchemaSource {
  /** The schema with this absolute `$id`. */
  find(id: string): Schema;
  /** Whether the schema, whose references start from `base`, takes the name of a property. */
  takesName(schema: Schema, base: string, name: string): boolean;
  /** Functions `(text) => boolean` that the code may call, by the patterns that they stand for. */
  readonly byHand: ReadonlyMap<string, string>;
}

export interface PredicateWriter {
  /** The name of a function `(value) => boolean` for the schema with this `$id`. Throws at a keyword it does not know. */
  write(id: string): string;
  /** What all functions need, and these. */
  code(): string;
}

/** One of the schemas that a value must keep, without those that it refers to. */
interface Part {
  readonly schema: Schema;
  readonly base: string;
}

/** What is written about. */
interface Subject {
  /** JavaScript: a variable, or a member of one. */
  readonly value: string;
  /** The type that was tested before. */
  readonly type: unknown;
  /** JavaScript that tells whether the object has the property. */
  has(name: string): string;
}

const annotations = ['$schema', '$id', '$comment', 'title', 'description'];
/** Those that are written with another keyword, or before it. */
const elsewhere = ['type', '$ref', 'allOf', 'then'];
/** What they ask is asked of values of one type; all others keep them. */
const typeOfKeyword: Readonly<Record<string, string>> = {
  pattern: 'string',
  minimum: 'number',
  maximum: 'number',
  required: 'object',
  dependentRequired: 'object',
  properties: 'object',
  minProperties: 'object',
  minItems: 'array',
  items: 'array',
  contains: 'array',
};
/** What they ask, they ask of every name that an object has. */
const loopKeywords = ['propertyNames', 'patternProperties', 'additionalProperties', 'unevaluatedProperties'];
const askedInLoop = new Set(['properties', ...loopKeywords]);
const notAsked = new Set([...annotations, ...elsewhere]);
/** So many properties are looked up one by one where nothing asks for the other names. */
const fewProperties = 3;
/** Bits of an integer without a sign. */
const mostBits = 31;

const tests: Readonly<Record<string, (value: string) => string>> = {
  string: (value) => `typeof ${value} === "string"`,
  boolean: (value) => `typeof ${value} === "boolean"`,
  number: (value) => `Number.isFinite(${value})`,
  integer: (value) => `Number.isInteger(${value})`,
  array: (value) => `Array.isArray(${value})`,
  object: (value) => `isObject(${value})`,
};

/** Keywords without schemas in them. */
const plainKeywords: Readonly<Record<string, (value: string, operand: unknown) => string>> = {
  const: (value, operand) => `${value} === ${JSON.stringify(operand)}`,
  enum: (value, operand) => any(stringsIn(operand).map((each) => `${value} === ${JSON.stringify(each)}`)),
  minimum: (value, operand) => `${value} >= ${String(operand)}`,
  maximum: (value, operand) => `${value} <= ${String(operand)}`,
  minProperties: (value, operand) => `Object.keys(${value}).length >= ${String(operand)}`,
  minItems: (value, operand) => `${value}.length >= ${String(operand)}`,
};

const head = `function isObject(value) { return typeof value === "object" && value !== null && !Array.isArray(value); }`;

function testOf(type: unknown, value: string): string {
  const test = tests[String(type)];
  if (test === undefined) throw new Error(`predicates: the type ${JSON.stringify(type)} is not known`);
  return test(value);
}

function schemaOf(value: unknown): Schema {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Schema;
  throw new Error(`predicates: ${JSON.stringify(value)} is no schema`);
}

function schemasIn(value: unknown): [string, Schema][] {
  return value === undefined ? [] : Object.entries(schemaOf(value)).map(([name, schema]) => [name, schemaOf(schema)]);
}

function stringsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function all(conditions: readonly string[]): string {
  const needed = [...new Set(conditions)].filter((condition) => condition !== 'true');
  return needed.length === 0 ? 'true' : needed.join(' && ');
}

function any(conditions: readonly string[]): string {
  return conditions.includes('true') ? 'true' : `(${conditions.map((condition) => `(${condition})`).join(' || ')})`;
}

function memberOf(value: string, name: string): string {
  return `${value}[${JSON.stringify(name)}]`;
}

function subjectOf(value: string, type?: string): Subject {
  return { value, type, has: (name) => `${memberOf(value, name)} !== undefined` };
}

function namesOf(parts: readonly Part[]): Set<string> {
  return new Set(parts.flatMap(({ schema }) => schemasIn(schema.properties).map(([name]) => name)));
}

function needsLoop(parts: readonly Part[]): boolean {
  const isAboutNames = ({ schema }: Part): boolean => loopKeywords.some((keyword) => schema[keyword] !== undefined);
  return namesOf(parts).size > fewProperties || parts.some(isAboutNames);
}

/** A writer of functions that share what they have in common. */
export function createPredicateWriter({ find, takesName, byHand }: SchemaSource): PredicateWriter {
  const expressions = new Map<string, string>();
  const functions = new Map<string, string>();

  function nameOf(text: string, names: Map<string, string>, prefix: string): string {
    const name = names.get(text) ?? `${prefix}${names.size}`;
    names.set(text, name);
    return name;
  }

  function callTo(body: string, value: string): string {
    return `${nameOf(`(value) { ${body} }`, functions, 'predicate')}(${value})`;
  }

  function matches(pattern: string, value: string): string {
    const known = byHand.get(pattern);
    if (known !== undefined) return `${known}(${value})`;
    const prefix = /^\^([a-z0-9-]+)$/.exec(pattern)?.[1];
    if (prefix !== undefined) return `${value}.startsWith("${prefix}")`;
    return `${nameOf(`new RegExp(${JSON.stringify(pattern)}, "u")`, expressions, 'expression')}.test(${value})`;
  }

  function flatten({ schema, base }: Part): Part[] {
    const own: Part = { schema, base: typeof schema.$id === 'string' ? schema.$id : base };
    const id = typeof schema.$ref === 'string' ? new URL(schema.$ref, own.base).href : undefined;
    const referred = id === undefined ? [] : flatten({ schema: find(id), base: id });
    const listed = Array.isArray(schema.allOf) ? schema.allOf : [];
    return [own, ...referred, ...listed.flatMap((each) => flatten({ schema: schemaOf(each), base: own.base }))];
  }

  /** All that a schema asks of a value: conditions joined by &&, or one of them. */
  function conditionOf(part: Part, subject: Subject): string {
    const parts = flatten(part);
    const types = parts.map(({ schema }) => schema.type).filter((type) => type !== undefined);
    const type = subject.type ?? types.find((one) => typeof one === 'string')?.toString();
    const typeTests = types
      .filter((one) => one !== subject.type)
      .map((one) => any((Array.isArray(one) ? one : [one]).map((each) => testOf(each, subject.value))));
    if (!needsLoop(parts)) return all([...typeTests, ...keywordConditions(parts, { ...subject, type })]);
    if (type !== 'object') throw new Error(`predicates: ${part.base} asks for properties, and not for an object`);
    return all([...typeTests, callTo(loopBody(parts), subject.value)]);
  }

  function keywordConditions(
    parts: readonly Part[],
    subject: Subject,
    left: ReadonlySet<string> = new Set(),
  ): string[] {
    return parts.flatMap((part) =>
      Object.keys(part.schema)
        .filter((keyword) => !notAsked.has(keyword) && !left.has(keyword))
        .map((keyword) => guardedCondition(keyword, part, subject)),
    );
  }

  /** What a keyword asks; nothing of a value of another type than those that it is about. */
  function guardedCondition(keyword: string, { schema, base }: Part, subject: Subject): string {
    const write = keywords[keyword];
    if (write === undefined) throw new Error(`predicates: the keyword "${keyword}" of ${base} is not known`);
    const condition = write(subject, { schema, base }, schema[keyword]);
    const type = typeOfKeyword[keyword];
    const isTested = type === undefined || type === subject.type || (type === 'number' && subject.type === 'integer');
    return isTested ? condition : any([`!(${testOf(type, subject.value)})`, condition]);
  }

  type WriteKeyword = (subject: Subject, part: Part, operand: unknown) => string;
  const keywords: Readonly<Record<string, WriteKeyword>> = {
    ...Object.fromEntries(
      Object.entries(plainKeywords).map(([keyword, write]): [string, WriteKeyword] => [
        keyword,
        ({ value }, _part, operand) => write(value, operand),
      ]),
    ),
    pattern: ({ value }, _part, operand) => matches(String(operand), value),
    not: (subject, { base }, operand) => `!(${conditionOf({ schema: schemaOf(operand), base }, subject)})`,
    anyOf: (subject, { base }, operand) => any(choices(operand, base, subject)),
    oneOf: (subject, { base }, operand) => `${choices(operand, base, subject).join(' + ')} === 1`,
    if: (subject, { schema, base }, operand) => {
      const [given, needed] = choices([operand, schema.then], base, subject);
      return any([`!${given}`, String(needed)]);
    },
    required: ({ has }, _part, operand) => all(stringsIn(operand).map(has)),
    dependentRequired: ({ has }, _part, operand) =>
      all(
        Object.entries(schemaOf(operand)).map(([name, needed]) =>
          any([`!(${has(name)})`, all(stringsIn(needed).map(has))]),
        ),
      ),
    properties: ({ value }, { base }, operand) =>
      all(
        schemasIn(operand).map(([name, schema]) => {
          const member = memberOf(value, name);
          return any([`${member} === undefined`, conditionOf({ schema, base }, subjectOf(member))]);
        }),
      ),
    items: ({ value }, part, operand) =>
      callTo(`for (const item of value) if (!(${itemCondition(operand, part)})) return false; return true;`, value),
    contains: ({ value }, part, operand) =>
      callTo(`for (const item of value) if (${itemCondition(operand, part)}) return true; return false;`, value),
  };

  function choices(operand: unknown, base: string, subject: Subject): string[] {
    if (!Array.isArray(operand)) throw new Error(`predicates: ${base} offers no choices`);
    return operand.map((each) => `(${conditionOf({ schema: schemaOf(each), base }, subject)})`);
  }

  function itemCondition(operand: unknown, { base }: Part): string {
    return conditionOf({ schema: schemaOf(operand), base }, subjectOf('item'));
  }

  /** The body of a function that looks at every property of an object, and then at which there were. */
  function loopBody(parts: readonly Part[]): string {
    const names = namesOf(parts);
    const bits = new Map<string, number>();
    const has = (name: string): string => {
      if (!bits.has(name) && (!names.has(name) || bits.size === mostBits)) return subjectOf('value').has(name);
      const bit = bits.get(name) ?? 2 ** bits.size;
      bits.set(name, bit);
      return `(seen & ${bit}) !== 0`;
    };
    const after = all(keywordConditions(parts, { value: 'value', type: 'object', has }, askedInLoop));
    const byAction = Map.groupBy(names, (name) => {
      const note = bits.has(name) ? ` seen |= ${bits.get(name)};` : '';
      return `if (!(${namedCondition(name, parts)})) return false;${note} break;`;
    });
    const cases = Array.from(byAction, ([action, those]) =>
      [...those.map((name) => `case ${JSON.stringify(name)}:`), action].join(' '),
    );
    const others = `default: if (!(${otherCondition(parts)})) return false;`;
    const loop = `for (const name in value) { const member = value[name]; switch (name) { ${cases.join(' ')} ${others} } }`;
    return `let seen = 0; ${loop} return ${after};`;
  }

  /** What is asked of the value of a property that one of the parts names. */
  function namedCondition(name: string, parts: readonly Part[]): string {
    return all(
      parts.flatMap((part) => {
        const { schema, base } = part;
        const own = schemasIn(schema.properties).filter(([each]) => each === name);
        const matching = schemasIn(schema.patternProperties).filter(([pattern]) => new RegExp(pattern, 'u').test(name));
        const found = [...own, ...matching].map(([, member]) => member);
        const asked =
          found.length === 0 && schema.additionalProperties !== undefined ? [schema.additionalProperties] : found;
        const isName = schema.propertyNames === undefined || takesName(schemaOf(schema.propertyNames), base, name);
        const isClosed = schema.unevaluatedProperties === false && !namesOf(flatten(part)).has(name);
        return [String(isName && !isClosed), ...asked.map((member) => memberCondition(member, base))];
      }),
    );
  }

  function memberCondition(schema: unknown, base: string): string {
    if (typeof schema === 'boolean') return String(schema);
    return conditionOf({ schema: schemaOf(schema), base }, subjectOf('member'));
  }

  /** What is asked of every other property. */
  function otherCondition(parts: readonly Part[]): string {
    return all(
      parts.flatMap(({ schema, base }) => {
        const patterns = schemasIn(schema.patternProperties).map(([pattern, member]) => ({
          test: matches(pattern, 'name'),
          condition: memberCondition(member, base),
        }));
        const { propertyNames, additionalProperties = true, unevaluatedProperties = true } = schema;
        return [
          propertyNames === undefined
            ? 'true'
            : conditionOf({ schema: schemaOf(propertyNames), base }, subjectOf('name', 'string')),
          ...patterns.map(({ test, condition }) => any([`!${test}`, condition])),
          any([...patterns.map(({ test }) => test), memberCondition(additionalProperties, base)]),
          memberCondition(unevaluatedProperties, base),
        ];
      }),
    );
  }

  return {
    write: (id) => {
      const body = `return ${conditionOf({ schema: find(id), base: id }, subjectOf('value'))};`;
      return nameOf(`(value) { ${body} }`, functions, 'predicate');
    },
    code: () =>
      [
        head,
        ...Array.from(expressions, ([text, name]) => `const ${name} = ${text};`),
        ...Array.from(functions, ([text, name]) => `function ${name}${text}`),
        '',
      ].join('\n'),
  };
}
