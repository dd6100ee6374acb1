import { describe, expect, test } from '@jest/globals';
import { findOriginBreach, observableTypes, readOrigin } from '../../src/stix/origin.ts';
import { types } from '../../src/stix/validators.generated.js';

const created = '2024-01-01T00:00:00.000Z';
const createdByRef = 'identity--0c1d2a4e-6a31-4a36-b2f8-0c7d1a2b3c4d';

describe('the origin of an object (STIX 2.1 §3.6)', () => {
  test('is read from its own members, however they are spelled', () => {
    const text = `{"type":"tool","x":{"created":1},"\\u0063reated":"${created}","created_by_ref":"${createdByRef}"}`;
    expect(readOrigin(text)).toEqual({ created, createdByRef });
    expect(readOrigin(`{"type":"tool","created":"${created}"}`)).toEqual({ created, createdByRef: null });
  });

  test('is unknown for every observable of the schemas, and for what has no created', () => {
    const observables = types.filter(({ kind }) => kind === 'sco').map(({ type }) => type);
    expect([...observableTypes].sort()).toEqual(observables.sort());
    const nothing = { created: null, createdByRef: null };
    for (const type of [...observables])
      expect(readOrigin(JSON.stringify({ type, created, created_by_ref: createdByRef }))).toEqual(nothing);
    expect(readOrigin(JSON.stringify({ type: 'x-thing', created_by_ref: createdByRef }))).toEqual(nothing);
    expect(findOriginBreach({ created, createdByRef }, { created: null, createdByRef: null })).toBeUndefined();
    expect(findOriginBreach({ created: null, createdByRef: null }, { created, createdByRef })).toBeUndefined();
  });
});
