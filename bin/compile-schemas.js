/**
 * Compiles schemas/ to src/stix/validators.generated.js, so that no process pays for it at its start. Each schema is
 * compiled for both policies: `unevaluatedProperties: true` marks where the standard allows custom properties; `strict`
 * turns it into false.
 */

import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { boundLoops } from '../src/stix/bound-loops.ts';
import { createPredicateWriter } from './predicates.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'schemas');
const target = join(root, 'src', 'stix', 'validators.generated.js');
const base = 'https://schemas.huiju.example/stix-2.1/';
/** Checking stops after about so many errors: a hostile object must not grow a list of millions. */
const maxErrors = 64;
const header = '// Made by bin/compile-schemas.js from schemas/. Do not edit.\n';

function readJson(paths) {
  return paths.sort().map((path) => JSON.parse(readFileSync(join(source, path), 'utf8')));
}

function readSchemas() {
  const paths = readdirSync(source, { recursive: true }).filter((path) => path.endsWith('.json'));
  return readJson(paths.filter((path) => !path.startsWith('extensions')));
}

/** Definitions, each with the schema of its content. */
function readExtensions() {
  return readJson(readdirSync(join(source, 'extensions')).map((name) => join('extensions', name)));
}

/** The schema under another base URI, its structures open or closed to custom properties. */
function schemaFor(policy, schema) {
  return JSON.parse(JSON.stringify(schema), (key, value) => {
    if (key === '$id') return value.replace(base, `${base}${policy}/`);
    if (key === 'unevaluatedProperties') return policy === 'strict' ? false : undefined;
    return value;
  });
}

/** Which object types there are: `campaign` for sdo/campaign.json, and so on. */
function isObjectSchema(schema) {
  return /^(?:(?:sdo|sro|sco|meta|custom)\/[^/]+|bundle)\.json$/.test(schema.$id.slice(base.length));
}

function nameOf(schema) {
  return schema.$id.slice(schema.$id.lastIndexOf('/') + 1, -'.json'.length);
}

function kindOf(schema) {
  const path = schema.$id.slice(base.length);
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : 'bundle';
}

/** The properties that the standard gives each type, and its predefined extensions. */
function describeTypes(schemas) {
  const byId = new Map(schemas.map((schema) => [schema.$id, schema]));
  const propertiesOf = (schema) => [
    ...Object.keys(schema.properties ?? {}),
    ...(schema.allOf ?? []).flatMap(({ $ref }) =>
      $ref === undefined ? [] : propertiesOf(byId.get(new URL($ref, schema.$id).href)),
    ),
  ];
  return schemas.filter(isObjectSchema).map((schema) => ({
    type: nameOf(schema),
    kind: kindOf(schema),
    properties: [...new Set(propertiesOf(schema))],
    extensions: Object.keys(schema.properties?.extensions?.properties ?? {}),
  }));
}

/** The code with all its loops bounded, and nothing in it that is not there at run time. */
function hardened(code) {
  const bounded = boundLoops(code, maxErrors);
  const loops = code.match(/\b(?:for|while)\(/g)?.length ?? 0;
  const bounds = bounded.match(new RegExp(`errors(?:<|>=)${maxErrors}`, 'g'))?.length ?? 0;
  if (loops !== bounds) throw new Error(`compile-schemas: ${loops} loops but ${bounds} bounds in ajv's code`);
  if (bounded.includes('require(')) throw new Error('compile-schemas: a keyword needs parts of ajv at run time');
  return bounded;
}

/** Patterns for which src/stix/quick-patterns.ts has functions, by the `title` of their schemas. */
const quickPatterns = { identifier: 'isIdentifier', 'property-name': 'isPropertyName' };

/** A function that is given those and makes look-ups like those of the validators: of functions that only say yes or no. */
function writePredicates(ajv, schemas) {
  const policies = ['spec', 'strict'];
  const open = policies.flatMap((policy) => schemas.map((schema) => schemaFor(policy, schema)));
  const byId = new Map(open.map((schema) => [schema.$id, schema]));
  const { write, code } = createPredicateWriter({
    find: (id) => byId.get(id),
    takesName: ({ $ref, ...schema }, from, name) =>
      ajv.validate($ref === undefined ? schema : { ...schema, $ref: new URL($ref, from).href }, name),
    byHand: new Map(
      schemas.flatMap(({ title, pattern }) => (title in quickPatterns ? [[pattern, quickPatterns[title]]] : [])),
    ),
  });
  const maps = policies.map((policy) => {
    const entries = schemas.filter(isObjectSchema).map((schema) => {
      return `[${JSON.stringify(nameOf(schema))}, ${write(schema.$id.replace(base, `${base}${policy}/`))}]`;
    });
    return `${policy}: new Map([${entries.join(', ')}])`;
  });
  const names = Object.values(quickPatterns).join(', ');
  return `export function createPredicates({ ${names} }) {\n${code()}return {${maps.join(', ')}};\n}\n`;
}

/** Writes the validators of both policies. Takes a second or two. */
export async function compileSchemas() {
  // Loaded here: ajv is needed only by those who compile.
  const { Ajv2020 } = await import('ajv/dist/2020.js');
  const { default: standalone } = await import('ajv/dist/standalone/index.js');
  const schemas = readSchemas();
  const ajv = new Ajv2020({
    code: { source: true, esm: true },
    allErrors: true,
    verbose: true,
    messages: false,
    strict: true,
    strictTypes: false,
    strictRequired: false,
    inlineRefs: 3,
  });
  const exports = {};
  for (const policy of ['spec', 'strict']) {
    for (const schema of schemas) ajv.addSchema(schemaFor(policy, schema));
    for (const schema of schemas.filter(isObjectSchema)) {
      const name = `${policy}_${nameOf(schema).replaceAll('-', '_')}`;
      exports[name] = schema.$id.replace(base, `${base}${policy}/`);
    }
  }
  const extensions = readExtensions();
  for (const [index, { definition, schema }] of extensions.entries()) {
    ajv.addSchema(schema, definition.id);
    exports[`extension_${index}`] = definition.id;
  }
  const lookups = ['spec', 'strict'].map((policy) => {
    const entries = schemas.filter(isObjectSchema).map((schema) => {
      return `[${JSON.stringify(nameOf(schema))}, ${policy}_${nameOf(schema).replaceAll('-', '_')}]`;
    });
    return `export const ${policy} = new Map([${entries.join(', ')}]);\n`;
  });
  const types = `export const types = ${JSON.stringify(describeTypes(schemas))};\n`;
  const list = extensions.map((extension, index) => `{...${JSON.stringify(extension)}, validate: extension_${index}}`);
  const registry = `export const extensions = [${list.join(', ')}];\n`;
  // Renamed when whole: another process may be loading the validators.
  writeFileSync(
    `${target}.new`,
    header +
      hardened(standalone.default(ajv, exports)) +
      lookups.join('') +
      writePredicates(ajv, schemas) +
      types +
      registry,
  );
  renameSync(`${target}.new`, target);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await compileSchemas();
