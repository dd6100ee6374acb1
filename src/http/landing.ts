/**
 * The page that a browser shows at `/`: what this server is, what is public, how to connect. It is made of what TAXII
 * itself tells a caller without login, so it cannot show more.
 */

import { createHash } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { type Language, languages } from '../stix/issue.ts';
import { type Caller, canSeeRoot } from '../taxii/access.ts';
import type { ApiRoot } from '../taxii/api-roots.ts';
import { type CollectionResource, taxiiMediaType } from '../taxii/resources.ts';
import { getCollections } from '../taxii/roots.ts';
import { type LandingTexts, landingTexts } from './landing-texts.ts';
import { preferredLanguage, prefersHtml } from './negotiation.ts';
import { setFields, type TaxiiResponse } from './send.ts';

export interface LandingDeps {
  readonly roots: readonly ApiRoot[];
  /** The server's own URL as the client should see it, without a slash at the end. */
  readonly baseUrlOf: (request: Request) => string;
}

interface PublicRoot {
  readonly title: string;
  readonly description?: string;
  readonly url: string;
  readonly collections: readonly CollectionResource[];
}

const anybody: Caller = { kind: 'anonymous' };

const style = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #4d5a6b; --paper: #fbfbf9; --card: #ffffff; --line: #d9dee5; --link: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebf0; --soft: #aeb8c5; --paper: #14181e; --card: #1c222b; --line: #343d49; --link: #8cc2ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.6;
  font-family: system-ui, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif; }
header, main, footer { max-width: 46rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1.5rem; }
nav { display: flex; gap: 1rem; justify-content: flex-end; }
h1 { font-size: 1.9rem; line-height: 1.25; margin: 1.5rem 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
h4 { font-size: 1rem; margin: 0; }
p { margin: .25rem 0 .75rem; }
a { color: var(--link); }
.soft { color: var(--soft); }
ul { list-style: none; margin: .75rem 0; padding: 0; display: grid; gap: .75rem; }
li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; }
dl { margin: 0; }
dt { color: var(--soft); font-size: .875rem; }
dd { margin: 0 0 .75rem; }
code, pre { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .9em; }
code { overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; margin: .25rem 0 1rem;
  overflow-x: auto; font-size: .85em; }
[aria-current] { color: var(--ink); text-decoration: none; font-weight: 600; }
footer { padding-top: 1.5rem; padding-bottom: 2.5rem; }
`;

// Of all that a page can load or do, this one has its own style and an icon that is part of it.
const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

// Without one of its own the browser would ask for /favicon.ico.
const icon =
  'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 16 16%22%3E%3Ccircle cx=%228%22 cy=%228%22 r=%227%22 fill=%22%230b5cad%22/%3E%3C/svg%3E';

function escapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": '#39' };
  return text.replace(/[&<>"']/g, (character) => `&${names[character]};`);
}

function paragraph(text: string | undefined, className = ''): string {
  if (text === undefined || text === '') return '';
  return `<p${className === '' ? '' : ` class="${className}"`}>${escapeHtml(text)}</p>`;
}

function definition(term: string, text: string): string {
  return `<dt>${escapeHtml(term)}</dt><dd><code>${escapeHtml(text)}</code></dd>`;
}

function describeRoot(root: ApiRoot, baseUrl: string): PublicRoot {
  return {
    title: root.title,
    ...(root.description !== undefined && { description: root.description }),
    url: `${baseUrl}/${root.name}/`,
    collections: getCollections(root, anybody).collections ?? [],
  };
}

// By its id: the reference client refuses a collection whose URL does not have it.
function urlOf(root: PublicRoot, { id }: CollectionResource): string {
  return `${root.url}collections/${id}/`;
}

function renderRoot(root: PublicRoot, texts: LandingTexts): string {
  const items = root.collections.map(
    (collection) =>
      `<li><h4>${escapeHtml(collection.title)}</h4>${paragraph(collection.description, 'soft')}` +
      `<dl>${definition(texts.collectionUrl, urlOf(root, collection))}</dl></li>`,
  );
  return (
    `<h3>${escapeHtml(root.title)}</h3>${paragraph(root.description, 'soft')}` +
    `<dl>${definition(texts.rootUrl, root.url)}</dl><ul>${items.join('')}</ul>`
  );
}

function curlLines(baseUrl: string, example: string | undefined): string {
  const accept = `-H 'Accept: ${taxiiMediaType}'`;
  const discovery = `curl -u NAME ${accept} \\\n  '${baseUrl}/taxii2/'`;
  return example === undefined ? discovery : `curl ${accept} \\\n  '${example}objects/?limit=10'\n\n${discovery}`;
}

function pythonLines(baseUrl: string, example: string | undefined): string {
  if (example === undefined) {
    return [
      'from taxii2client.v21 import Server',
      '',
      `server = Server("${baseUrl}/taxii2/", user="NAME", password="PASSWORD")`,
      'for root in server.api_roots:',
      '    for collection in root.collections:',
      '        print(root.title, collection.title, collection.url)',
    ].join('\n');
  }
  return [
    'from taxii2client.v21 import Collection, as_pages',
    '',
    `collection = Collection("${example}")`,
    'for page in as_pages(collection.get_objects, per_request=100):',
    '    for stix_object in page.get("objects", []):',
    '        print(stix_object["id"])',
  ].join('\n');
}

// It scrolls where it is too wide, so the keyboard must reach it.
function renderExample(title: string, lines: string): string {
  return `<h3>${escapeHtml(title)}</h3><pre tabindex="0">${escapeHtml(lines)}</pre>`;
}

function renderConnect(baseUrl: string, example: string | undefined, texts: LandingTexts): string {
  return (
    `<h2>${escapeHtml(texts.connect)}</h2><dl>${definition(texts.discoveryUrl, `${baseUrl}/taxii2/`)}` +
    `${definition(texts.mediaType, taxiiMediaType)}</dl>${paragraph(texts.otherLogin)}` +
    renderExample(texts.onCommandLine, curlLines(baseUrl, example)) +
    renderExample(texts.inPython, pythonLines(baseUrl, example))
  );
}

function renderSwitch(language: Language, texts: LandingTexts): string {
  const links = languages.map((other) => {
    const { tag, name } = landingTexts[other];
    const current = other === language ? ' aria-current="true"' : '';
    return `<a href="?lang=${other}" lang="${tag}" hreflang="${tag}"${current}>${escapeHtml(name)}</a>`;
  });
  return `<nav aria-label="${escapeHtml(texts.switchLanguage)}">${links.join(' ')}</nav>`;
}

/** The page. Title, description and contact are those of a public API root; where nothing is public there are none. */
function renderLanding(roots: readonly ApiRoot[], baseUrl: string, language: Language): string {
  const texts = landingTexts[language];
  const publicRoots = roots.filter((root) => canSeeRoot(anybody, root));
  const visible = publicRoots.map((root) => describeRoot(root, baseUrl));
  // Discovery shows the default root's face to everybody; a page for strangers shows only what is public.
  const face = publicRoots.find(({ isDefault }) => isDefault) ?? publicRoots[0];
  const title = face?.title ?? texts.plainTitle;
  const examples = visible.flatMap((root) => root.collections.map((collection) => urlOf(root, collection)));
  const collections = visible.map((root) => renderRoot(root, texts)).join('');
  const contact = face?.contact === undefined ? '' : `<p>${escapeHtml(texts.contact)}: ${escapeHtml(face.contact)}</p>`;
  return `<!doctype html>
<html lang="${texts.tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="${icon}">
<style>${style}</style>
</head>
<body>
<header>${renderSwitch(language, texts)}<h1>${escapeHtml(title)}</h1>${paragraph(face?.description)}</header>
<main>${paragraph(texts.what)}${contact}
${collections === '' ? '' : `<h2>${escapeHtml(texts.publicCollections)}</h2>${collections}`}
${paragraph(texts.forMembers)}
${renderConnect(baseUrl, examples[0], texts)}</main>
<footer class="soft">Huiju 汇聚</footer>
</body>
</html>
`;
}

function chooseLanguage(request: Request): Language {
  const mark = request.url.indexOf('?');
  const named = new URLSearchParams(mark < 0 ? '' : request.url.slice(mark + 1)).get('lang');
  return languages.find((one) => one === named) ?? preferredLanguage(request);
}

/** Answers browsers, which name text/html and no TAXII type above it; lets all others pass. */
export function createLanding({ roots, baseUrlOf }: LandingDeps): RequestHandler {
  return (request, response: TaxiiResponse, next) => {
    setFields(response);
    response.vary('Accept');
    if (!prefersHtml(request.headers.accept)) {
      next();
      return;
    }
    const language = chooseLanguage(request);
    const page = Buffer.from(renderLanding(roots, baseUrlOf(request), language));
    response.vary('Accept-Language');
    response.setHeader('Content-Language', landingTexts[language].tag);
    response.setHeader('Content-Security-Policy', contentSecurityPolicy);
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.setHeader('Content-Length', page.length);
    response.end(page);
  };
}
