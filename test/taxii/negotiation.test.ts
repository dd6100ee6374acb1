import { describe, expect, test } from '@jest/globals';
import { requireAcceptable, requireStixContent } from '../../src/http/negotiation.ts';

describe('TAXII 2.1 §3.1: Accept', () => {
  test.each([
    undefined,
    '',
    ' , ,',
    'application/taxii+json;version=2.1',
    'application/taxii+json; version=2.1',
    'application/taxii+json ; Version="2.1"',
    'APPLICATION/TAXII+JSON',
    'application/taxii+json;version=2.1;charset=utf-8',
    'application/taxii+json;version=2.0, application/taxii+json;version=2.1',
    'application/taxii+json;version=2.1,application/stix+json;version=2.1',
    'application/stix+json;version=2.1',
    'application/json, text/plain, */*',
    'text/html',
    'text/html;q=0',
    '*/*',
    'application/*;q=0.1',
    'application/vnd.oasis.taxii+json; version=2.0, */*;q=0.1',
    'text/html;note="a,b;q=0", application/taxii+json',
    '*/*;q=0, application/taxii+json;version=2.1',
    ';;;=',
  ])('%j is served', (accept) => {
    expect(() => requireAcceptable(accept)).not.toThrow();
  });

  test.each([
    'application/taxii+json;version=2.0',
    'application/taxii+json;version=9.9',
    'application/vnd.oasis.taxii+json; version=2.0',
    'application/vnd.oasis.stix+json; version=2.0',
    'application/stix+json;version=2.0',
    'application/taxii+json;version=2.1;q=0',
    'application/taxii+json;q=0, */*',
    '*/*;q=0',
    'application/taxii+json;version=2.0, application/taxii+json;version="9.9"',
  ])('%j is refused', (accept) => {
    expect(() => requireAcceptable(accept)).toThrow(expect.objectContaining({ status: 406 }));
  });
});

describe('TAXII 2.1 §3.1: Content-Type', () => {
  test.each([
    'application/taxii+json;version=2.1',
    'application/taxii+json',
    'Application/TAXII+json ; version="2.1" ; charset=UTF-8',
    'application/stix+json; version=2.1',
    'application/stix+json',
  ])('%j is taken', (type) => {
    expect(() => requireStixContent(type)).not.toThrow();
  });

  test.each([
    undefined,
    '',
    'text/plain',
    'application/json',
    'application/taxii+json;version=2.0',
    'application/taxii+json;version=9.9',
    'application/vnd.oasis.stix+json',
    'application/taxii+json;charset=utf-16',
    'multipart/form-data',
  ])('%j is refused', (type) => {
    expect(() => requireStixContent(type)).toThrow(expect.objectContaining({ status: 415 }));
  });
});
