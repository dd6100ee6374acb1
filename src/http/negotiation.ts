/** Media types and languages of requests (TAXII 2.1 §3.1, RFC 9110 §8.3, §12.5.1 and §12.5.4). */

import type { Request } from 'express';
import { TaxiiError } from '../errors.ts';
import { remember } from '../remember.ts';
import { type Language, languages } from '../stix/issue.ts';
import { stixMediaType, taxiiMediaType } from '../taxii/resources.ts';

interface MediaRange {
  /** Lower case, such as `application/taxii+json` or `*` for any. */
  readonly type: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Splits at a separator outside of quoted strings. */
function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let from = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (character === '\\' && quoted) index += 1;
    else if (character === '"') quoted = !quoted;
    else if (character === separator && !quoted) {
      parts.push(text.slice(from, index));
      from = index + 1;
    }
  }
  return [...parts, text.slice(from)];
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1') : text;
}

/** Ranges of an Accept header and the like. What follows the first thousand characters no client has to say. */
function parseRanges(text: string | undefined): MediaRange[] {
  return splitOutsideQuotes((text ?? '').slice(0, 1000), ',')
    .filter((part) => part.trim() !== '')
    .map(parseMediaRange);
}

function parseMediaRange(text: string): MediaRange {
  const [type = '', ...rest] = splitOutsideQuotes(text, ';');
  const parameters = new Map<string, string>();
  for (const parameter of rest) {
    const equals = parameter.indexOf('=');
    if (equals < 0) continue;
    const name = parameter.slice(0, equals).trim().toLowerCase();
    if (!parameters.has(name)) parameters.set(name, unquote(parameter.slice(equals + 1).trim()));
  }
  return { type: type.trim().toLowerCase(), parameters };
}

function qualityOf({ parameters }: MediaRange): number {
  const quality = Number(parameters.get('q') ?? '1');
  return Number.isFinite(quality) ? quality : 1;
}

/** A media type of TAXII or STIX, of any version; those of 2.0 have `vnd.oasis.` in their name. */
function isOfFamily({ type }: MediaRange): boolean {
  return /^application\/(?:vnd\.oasis\.)?(?:taxii|stix)\+json$/.test(type);
}

function isVersion21({ type, parameters }: MediaRange): boolean {
  const version = parameters.get('version');
  return !type.includes('vnd.oasis.') && (version === undefined || version === '2.1');
}

/** How closely a range names what we send, from 0; undefined when it names something else. */
function closeness(range: MediaRange): number | undefined {
  if (range.type === '*/*') return 0;
  if (range.type === 'application/*') return 1;
  if (range.type !== 'application/taxii+json' || !isVersion21(range)) return undefined;
  return range.parameters.has('version') ? 3 : 2;
}

// A client sends the same header fields with each request.
const isAcceptable = remember((accept: string): boolean => {
  const ranges = parseRanges(accept);
  if (ranges.length === 0) return true;
  // RFC 9110 §12.5.1: the most specific range that matches decides.
  let best: { readonly close: number; readonly quality: number } | undefined;
  for (const range of ranges) {
    const close = closeness(range);
    if (close !== undefined && (best === undefined || close > best.close)) best = { close, quality: qualityOf(range) };
  }
  if (best !== undefined) return best.quality > 0;
  // Clients exist that name another type and understand ours; but one that names other versions of TAXII wants to
  // learn that they are not spoken here.
  const wanted = ranges.filter((range) => qualityOf(range) > 0);
  if (wanted.some((range) => !isOfFamily(range) || isVersion21(range))) return true;
  return !ranges.some(isOfFamily);
});

/** Throws 406 when the client will not take what we send. */
export function requireAcceptable(accept: string | undefined): void {
  if (accept === undefined || isAcceptable(accept)) return;
  const given = JSON.stringify(accept.slice(0, 200));
  const spoken = `This server speaks TAXII 2.1 alone: send Accept: ${taxiiMediaType}`;
  throw new TaxiiError('not-acceptable', `Accept: ${given} excludes what would be sent. ${spoken}.`);
}

/** Whether the client names text/html and no media type of TAXII or STIX before it, by quality or else by place. */
export function prefersHtml(accept: string | undefined): boolean {
  const ranges = parseRanges(accept);
  const html = ranges.find(({ type }) => type === 'text/html');
  if (html === undefined || qualityOf(html) <= 0) return false;
  // Sorting is stable: of equal ones the first stays first.
  const [first] = ranges
    .filter((range) => range === html || isOfFamily(range))
    .sort((a, b) => qualityOf(b) - qualityOf(a));
  return first === html;
}

function isStixContent(range: MediaRange): boolean {
  const charset = range.parameters.get('charset')?.toLowerCase() ?? 'utf-8';
  return isOfFamily(range) && isVersion21(range) && (charset === 'utf-8' || charset === 'utf8');
}

/**
 * Throws 415 unless the body is declared as TAXII 2.1 or STIX 2.1 in UTF-8. RFC 9110 §8.3: several types, in one field
 * or in many, are an error of which recipients make different things; taken are those with which all would agree.
 */
export function requireStixContent(contentType: string | undefined): void {
  const works = `Send Content-Type: ${taxiiMediaType} (or ${stixMediaType}), in UTF-8`;
  const types = splitOutsideQuotes(contentType ?? '', ',').filter((part) => part.trim() !== '');
  if (contentType === undefined || types.length === 0) {
    throw new TaxiiError('unsupported-media-type', `Content-Type is missing. ${works}.`);
  }
  if (types.map(parseMediaRange).every(isStixContent)) return;
  const given = JSON.stringify(contentType.slice(0, 200));
  const why = types.length === 1 ? 'is not taken here' : `names ${types.length} types where one belongs`;
  throw new TaxiiError('unsupported-media-type', `Content-Type: ${given} ${why}. ${works}.`);
}

export type PackedCoding = 'br' | 'gzip';
export type Coding = PackedCoding | 'identity';

const codingNames: Readonly<Record<PackedCoding, readonly string[]>> = { br: ['br'], gzip: ['gzip', 'x-gzip'] };

function findCodings(acceptEncoding: string): readonly Coding[] {
  const ranges = parseRanges(acceptEncoding);
  const findQuality = (names: readonly string[]): number | undefined => {
    const range = ranges.find(({ type }) => names.includes(type));
    return range && qualityOf(range);
  };
  const others = findQuality(['*']);
  const plain = findQuality(['identity']) ?? (others === 0 ? 0 : undefined);
  const qualityOfPacked = (coding: PackedCoding): number =>
    findQuality(codingNames[coding]) ?? (plain === 0 ? (others ?? 0) : 0);
  // Sorting is stable: Brotli packs better, and costs less.
  const packed = (['br', 'gzip'] as const)
    .filter((coding) => qualityOfPacked(coding) > 0 && qualityOfPacked(coding) >= (plain ?? 0))
    .sort((a, b) => qualityOfPacked(b) - qualityOfPacked(a));
  return plain === 0 && packed.length > 0 ? packed : [...packed, 'identity'];
}

const codingsOf = remember(findCodings);

/**
 * In which codings an answer may go out, the best first (RFC 9110 §12.5.3). Packed ones are for who names them, or excludes
 * what is not packed. Where nothing is left, it goes out as it is.
 */
export function acceptedCodings(acceptEncoding: string | undefined): readonly Coding[] {
  return acceptEncoding === undefined ? ['identity'] : codingsOf(acceptEncoding);
}

/** The language in which the client is told what is wrong with an object; English when it names none that we have. */
export function preferredLanguage({ headers }: Pick<Request, 'headers'>): Language {
  const ranges = parseRanges(headers['accept-language'])
    .map((range) => ({ primary: range.type.split('-')[0], quality: qualityOf(range) }))
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality);
  for (const { primary } of ranges) {
    const language = languages.find((one) => one === primary);
    if (language !== undefined) return language;
  }
  return 'en';
}
