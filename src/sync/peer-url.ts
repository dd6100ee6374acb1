/** URLs of peers: which may be given, and how they are shown. */

import { SourceError } from './source.ts';

/** A URL as it may be shown: keys travel in user names, passwords and queries. */
export function showUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** Reads the URL of a peer. Throws SourceError for what is no http(s) URL or holds a password, which would be shown. */
export function parsePeerUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new SourceError('the URL of a peer must begin with https:// or http://', 'never');
  }
  if (url.username !== '' || url.password !== '') {
    throw new SourceError(`${showUrl(url)}: give user and password as the login of the feed, not in the URL`, 'never');
  }
  url.hash = '';
  return url;
}
