/** What goes wrong between Huiju and a peer, in words that say what to do. */

import { errors } from 'undici';
import { codeOf, messageOf } from '../errors.ts';
import { AddressRefused } from './address-guard.ts';
import { showUrl } from './peer-url.ts';
import { SourceError } from './source.ts';

/** A SourceError of an exchange over HTTP, with what its callers decide by. */
export class HttpFault extends SourceError {
  /** The body was longer than allowed. */
  readonly isTooLong: boolean;

  constructor(
    message: string,
    retry: SourceError['retry'],
    more: { readonly status?: number; readonly isTooLong?: boolean; readonly retryAfter?: number } & ErrorOptions = {},
  ) {
    super(message, retry, more.retryAfter, {
      status: more.status,
      ...(more.cause !== undefined && { cause: more.cause }),
    });
    this.name = 'HttpFault';
    this.isTooLong = more.isTooLong === true;
  }
}

const unreachable = 'check that it runs and that a firewall lets this machine through';
const untrusted = 'give the feed the certificate of the authority that issued it, if you trust it';

// By Node's, OpenSSL's and undici's codes: the reason, and whether it may be over soon.
const reasons: Readonly<Record<string, readonly [reason: string, retry: SourceError['retry']]>> = {
  ENOTFOUND: ['its name is unknown; check the spelling', 'later'],
  EAI_AGAIN: ['its name could not be looked up; check the name server of this machine', 'later'],
  ECONNREFUSED: [`nothing listens there; ${unreachable}`, 'later'],
  EHOSTUNREACH: [`there is no way to it; ${unreachable}`, 'later'],
  ENETUNREACH: [`there is no way to it; ${unreachable}`, 'later'],
  ETIMEDOUT: [`it does not answer; ${unreachable}`, 'later'],
  UND_ERR_CONNECT_TIMEOUT: [`it does not answer; ${unreachable}`, 'later'],
  ECONNRESET: ['it cut the connection', 'later'],
  EPIPE: ['it cut the connection', 'later'],
  UND_ERR_SOCKET: ['it cut the connection', 'later'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ['it sent another length than it had said', 'later'],
  UND_ERR_HEADERS_OVERFLOW: ['the header of its answer is too long', 'never'],
  HPE_HEADER_OVERFLOW: ['the header of its answer is too long', 'never'],
  UND_ERR_INVALID_ARG: ['the login holds characters that a header field cannot hold', 'never'],
  EPROTO: ['it does not speak TLS 1.2 or later there; check scheme and port', 'never'],
  ERR_SSL_WRONG_VERSION_NUMBER: ['it does not speak TLS there; check scheme and port', 'never'],
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: ['it does not know the authority of our client certificate', 'never'],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: ['it wants a client certificate; give the feed one', 'never'],
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: ['it refused the TLS handshake; it may want a client certificate', 'never'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['its certificate is for another name; use the name it is for', 'never'],
  CERT_HAS_EXPIRED: ['its certificate has expired; its operator has to renew it', 'never'],
  CERT_NOT_YET_VALID: ['its certificate is not valid yet; check the clocks', 'never'],
  DEPTH_ZERO_SELF_SIGNED_CERT: [`its certificate is signed by itself; ${untrusted}`, 'never'],
  SELF_SIGNED_CERT_IN_CHAIN: [`nobody here knows the authority of its certificate; ${untrusted}`, 'never'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [`nobody here knows the authority of its certificate; ${untrusted}`, 'never'],
  UNABLE_TO_GET_ISSUER_CERT: [`nobody here knows the authority of its certificate; ${untrusted}`, 'never'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [`nobody here knows the authority of its certificate; ${untrusted}`, 'never'],
  Z_DATA_ERROR: ['its answer is packed wrongly', 'later'],
  Z_BUF_ERROR: ['its answer broke off', 'later'],
};

const notHttp = ['its answer is not HTTP; check scheme and port', 'never'] as const;

/** The innermost error that says something: undici and Node wrap what a lookup or a socket said. */
function rootOf(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return rootOf(error.errors[0]);
  const isKnown = Object.hasOwn(reasons, codeOf(error) ?? '') || error instanceof AddressRefused;
  return error instanceof Error && error.cause !== undefined && !isKnown ? rootOf(error.cause) : error;
}

/** An error of the network, of TLS or of unpacking as a SourceError that names the URL. */
export function toHttpFault(error: unknown, url: URL): SourceError {
  if (error instanceof SourceError) return error;
  const root = rootOf(error);
  if (root instanceof AddressRefused) return new HttpFault(`${showUrl(url)} is not asked: ${root.message}`, 'never');
  const isNoHttp = root instanceof errors.HTTPParserError;
  const [reason, retry] = reasons[codeOf(root) ?? ''] ?? (isNoHttp ? notHttp : ([messageOf(root), 'later'] as const));
  return new HttpFault(`${showUrl(url)} cannot be read: ${reason}`, retry, { cause: error });
}

/** The longest wait that is believed: a week. */
const longestRetryAfter = 7 * 86_400_000;

/** Milliseconds of a Retry-After field, which holds seconds or a date (RFC 9110 §10.2.3); undefined when it holds neither. */
export function findRetryAfter(field: string | undefined, now: number): number | undefined {
  if (field === undefined) return undefined;
  const wait = /^\d{1,12}$/.test(field.trim()) ? Number(field) * 1000 : Date.parse(field) - now;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), longestRetryAfter);
}

const statusReasons: Readonly<Record<number, string>> = {
  401: 'it does not accept the login (401); check user and password, token or key of the feed',
  403: 'the login has no right to this (403); ask the operator of the server for it',
  404: 'there is nothing there, or the login may not see it (404); check the URL and the collection',
  406: 'it cannot answer in the form that was asked for (406)',
  407: 'a proxy in between wants a login (407)',
  410: 'it is gone for good (410); check with the operator of the server',
  413: 'what was sent is too long for it (413)',
  429: 'it was asked too often (429); let the feed run less often',
};

const otherLater = new Set([408, 423, 425, 429]);

function isOverSoon(status: number): boolean {
  return otherLater.has(status) || (status >= 500 && status !== 501 && status !== 505);
}

/** An answer that refuses, as an error. `said` is what the server says of it, if anything. */
export function createStatusFault(
  url: URL,
  status: number,
  said: string | undefined,
  retryAfter: number | undefined,
): HttpFault {
  const usual = status >= 500 ? `it has a fault of its own (${status})` : `it answers with status ${status}`;
  const reason = statusReasons[status] ?? usual;
  const message = `${showUrl(url)}: ${reason}${said === undefined ? '' : `; it says ${JSON.stringify(said)}`}`;
  const wait = retryAfter === undefined ? {} : { retryAfter };
  return new HttpFault(message, isOverSoon(status) ? 'later' : 'never', { status, ...wait });
}

/** That a login is wanted where it was not sent, because a redirect has led there. */
export function createRedirectedFault(home: URL, url: URL): HttpFault {
  return new HttpFault(
    `${showUrl(home)} leads to ${showUrl(url)}, which wants a login (401): that of the feed goes to ${home.origin} alone; if it belongs there, give the feed the URL to which it leads`,
    'never',
    { status: 401 },
  );
}
