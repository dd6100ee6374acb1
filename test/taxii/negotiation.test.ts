import { describe, expect, test } from '@jest/globals';
import {
  acceptedCodings,
  preferredLanguage,
  prefersHtml,
  requireAcceptable,
  requireStixContent,
} from '../../src/http/negotiation.ts';

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
    // RFC 9110 §8.3: of a list that is an error whoever takes one of these takes the same.
    'application/taxii+json;version=2.1, application/taxii+json;version=2.1',
    'application/taxii+json;version=2.1,application/stix+json,',
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
    ',',
    'application/taxii+json;version=2.1, application/json',
    'application/json, application/taxii+json;version=2.1',
    'application/taxii+json;version=2.1, application/taxii+json;version=2.0',
  ])('%j is refused', (type) => {
    expect(() => requireStixContent(type)).toThrow(expect.objectContaining({ status: 415 }));
  });
});

describe('RFC 9110 §12.5.1: who gets the page for browsers', () => {
  test.each([
    'text/html',
    'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    '*/*, text/html',
    'TEXT/HTML;level=1',
    'text/html, application/taxii+json;version=2.1',
    'application/taxii+json;q=0.5, text/html;q=0.6',
    'application/json, text/html',
  ])('%j prefers it', (accept) => {
    expect(prefersHtml(accept)).toBe(true);
  });

  test.each([
    undefined,
    '',
    '*/*',
    'text/*',
    'text/html;q=0',
    'application/taxii+json;version=2.1, text/html',
    'application/taxii+json, text/html',
    'application/stix+json;version=2.1, text/html',
    'application/vnd.oasis.taxii+json; version=2.0, text/html',
    'text/html;q=0.5, application/taxii+json',
    `${'a/b,'.repeat(250)}text/html`,
  ])('%j does not', (accept) => {
    expect(prefersHtml(accept)).toBe(false);
  });
});

describe('RFC 9110 §12.5.4: the language', () => {
  test.each([
    [undefined, 'en'],
    ['', 'en'],
    ['zh', 'zh'],
    ['zh-Hant-TW', 'zh'],
    ['ZH-cn,zh;q=0.9,en;q=0.8', 'zh'],
    ['en;q=0.1, zh;q=0.2', 'zh'],
    ['zh;q=0.1, en', 'en'],
    ['de, fr;q=0.9', 'en'],
    ['de, zh;q=0.1', 'zh'],
    ['zh;q=0', 'en'],
    ['*', 'en'],
    ['zhx', 'en'],
    [`${'de,'.repeat(400)}zh`, 'en'],
  ])('of %j is %s', (accepted, language) => {
    expect(preferredLanguage({ headers: { 'accept-language': accepted } })).toBe(language);
  });
});

describe('RFC 9110 §12.5.3: Accept-Encoding', () => {
  test.each([
    [undefined, ['identity']],
    ['', ['identity']],
    ['*', ['identity']],
    ['deflate', ['identity']],
    ['gzip', ['gzip', 'identity']],
    ['x-gzip;q=0.1', ['gzip', 'identity']],
    ['gzip, br', ['br', 'gzip', 'identity']],
    ['gzip, br;q=0.5', ['gzip', 'br', 'identity']],
    ['br;q=0, gzip', ['gzip', 'identity']],
    ['gzip;q=0.1, identity;q=0.2, br;q=0.3', ['br', 'identity']],
    ['identity;q=0', ['identity']],
    ['*;q=0', ['identity']],
    ['identity;q=0, gzip', ['gzip']],
    ['*;q=0, br;q=0.1', ['br']],
    ['identity;q=0, *;q=0.5, gzip;q=0.6', ['gzip', 'br']],
  ])('%j: %j', (given, expected) => {
    for (let round = 0; round < 2; round += 1) expect(acceptedCodings(given)).toEqual(expected);
  });
});
