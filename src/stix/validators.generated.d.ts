/** What `bin/compile-schemas.js` writes to validators.generated.js. */

export interface SchemaError {
  readonly keyword: string;
  /** JSON Pointer to the value at fault. */
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** The schema that the keyword stands in. */
  readonly parentSchema: Readonly<Record<string, unknown>>;
  readonly data: unknown;
}

export interface Validator {
  (value: unknown): boolean;
  /** Of the last call; null or absent when the value was valid. At most some hundred. */
  errors?: readonly SchemaError[] | null;
}

export interface ObjectType {
  readonly type: string;
  readonly kind: 'sdo' | 'sro' | 'sco' | 'meta' | 'custom' | 'bundle';
  /** The properties that the standard gives the type. */
  readonly properties: readonly string[];
  /** Its predefined extensions. */
  readonly extensions: readonly string[];
}

/** By type; `custom-sdo` and `custom-sco` judge the types that the standard does not define. */
export const spec: ReadonlyMap<string, Validator>;
export const strict: ReadonlyMap<string, Validator>;
export interface QuickPatterns {
  isIdentifier(text: string): boolean;
  isPropertyName(text: string): boolean;
}

/** They tell as `spec` and `strict` do whether a value is valid, but not why it is not: several times as fast. */
export type Predicates = Readonly<Record<'spec' | 'strict', ReadonlyMap<string, (value: unknown) => boolean>>>;
export function createPredicates(patterns: QuickPatterns): Predicates;
export const types: readonly ObjectType[];

export interface ShippedExtension {
  /** An extension definition. */
  readonly definition: Readonly<Record<string, unknown>>;
  /** The schema of its content, and its validator. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly validate: Validator;
}

/** Those of `schemas/extensions/`. */
export const extensions: readonly ShippedExtension[];
