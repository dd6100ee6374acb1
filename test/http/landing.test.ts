import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { root } from '../support/huiju.ts';
import { describeWith } from '../support/skip.ts';
import {
  type Answer,
  type Ask,
  basic,
  ids,
  startTaxiiServer,
  type TestServer,
  taxii,
} from '../support/taxii-server.ts';

const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';
const anonymous = { as: null, accept };
const trap = '<script>alert(1)</script> & "x"';

let server: TestServer;
/** A server on which nothing is public. */
let closed: TestServer;

const closedId = '3b0f4f0a-5b52-4d0c-9a76-0d6f6a1f9b01';

beforeAll(async () => {
  const secret = {
    api_root: 'secret',
    title: 'Hidden root',
    description: 'Hidden text',
    contact: 'hidden@example.com',
  };
  closed = await startTaxiiServer({}, [
    { ...secret, collections: [{ id: closedId, alias: 'hush', title: 'Hidden', read: ['members'] }] } as never,
  ]);
  server = await startTaxiiServer({}, [
    {
      api_root: 'main',
      title: `Sharing ${trap}`,
      description: 'What members share',
      contact: 'ops@example.com',
      default: true,
      collections: [
        { id: ids.open, alias: 'open', title: 'Open', description: trap, read: ['public'] },
        { id: ids.hidden, alias: 'shut', title: 'Nobody hears of this', read: ['members'] },
      ],
    } as never,
    {
      api_root: 'inner',
      title: 'Nor of this',
      collections: [{ id: ids.rw, title: 'Inner', read: ['members'] }],
    } as never,
  ]);
});
afterAll(async () => {
  await server.close();
  await closed.close();
});

function page(options: Ask = {}, path = '/'): Promise<Answer> {
  return server.get(path, { ...anonymous, ...options });
}

describe('the landing page', () => {
  test('is for who names text/html; others get what TAXII says', async () => {
    const answer = await page();
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    for (const other of [taxii, '*/*', null, 'application/json', `${taxii}, text/html`]) {
      const { status, headers } = await page({ accept: other });
      expect([status, headers['content-type'], headers.vary]).toEqual([401, taxii, expect.stringContaining('Accept')]);
    }
    expect((await page({ accept: taxii, as: 'member' })).status).toBe(404);
    expect((await page({ method: 'HEAD' })).text).toBe('');
  });

  test('takes no other method from those that TAXII answers', async () => {
    for (const method of ['OPTIONS', 'POST', 'DELETE']) {
      const answer = await closed.get('/', { ...anonymous, method });
      expect([method, answer.status, answer.headers['content-type']]).toEqual([method, 401, taxii]);
    }
  });

  test('is the same for who is logged in, and for who logs in wrongly', async () => {
    const { text } = await page();
    expect((await page({ as: 'boss' })).text).toBe(text);
    expect((await page({ authorization: basic('nobody') })).text).toBe(text);
  });

  test('names the public API roots and collections with their URLs, and nothing else', async () => {
    const { text } = await page();
    expect(text).toContain(`${server.url}/main/collections/${ids.open}/`);
    expect(text).toContain(`${server.url}/taxii2/`);
    expect(text).toContain('ops@example.com');
    for (const hidden of ['Nobody hears', 'Nor of this', 'inner', 'shut', ids.hidden, ids.rw]) {
      expect(text).not.toContain(hidden);
    }
  });

  test('has the face of a public API root when the default one is for members', async () => {
    const mixed = await startTaxiiServer();
    const { text } = await mixed.get('/', anonymous);
    await mixed.close();
    expect(text).toContain('<title>Open root</title>');
    for (const hidden of ['Main root', 'Every combination', 'ops@example.com']) expect(text).not.toContain(hidden);
  });

  test('says nothing of the server where nothing is public', async () => {
    const { status, text } = await closed.get('/', anonymous);
    expect([status, text]).toEqual([200, expect.stringContaining('<title>TAXII 2.1 server</title>')]);
    expect(text).not.toMatch(/hidden|hush|secret/i);
    expect(text).not.toContain(closedId);
  });

  test('shows what operators wrote as text, never as HTML', async () => {
    const { text } = await page();
    expect(text).not.toContain('<script');
    expect(text).toContain('Sharing &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot;');
  });

  test.each([
    ['zh-CN,zh;q=0.9,en;q=0.8', '/', 'zh-Hans'],
    ['en-GB,en;q=0.9,zh;q=0.1', '/', 'en'],
    ['fr', '/', 'en'],
    ['en', '/?lang=zh', 'zh-Hans'],
    ['zh', '/?lang=en', 'en'],
    ['zh', '/?lang=xx', 'zh-Hans'],
  ])('with Accept-Language %s, %s is in %s', async (language, path, tag) => {
    const { headers, text } = await page({ headers: { 'Accept-Language': language } }, path);
    expect(headers['content-language']).toBe(tag);
    expect(headers.vary).toMatch(/\bAccept\b.*\bAccept-Language\b/);
    expect(text).toContain(`<html lang="${tag}">`);
  });

  test('may load nothing, run nothing, and be framed nowhere', async () => {
    const { headers } = await page();
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    );
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });
});

const executablePath = '/usr/bin/chromium';
const missing = existsSync(executablePath) ? undefined : 'Chromium is not at /usr/bin/chromium (Debian: chromium)';

const leastContrast = readFileSync(join(root, 'test', 'http', 'least-contrast.js'), 'utf8');

describeWith('browser', missing, 'in Chromium', () => {
  let profile: string;
  let browser: BrowserContext;
  let tab: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    profile = mkdtempSync(join(tmpdir(), 'huiju-browser-'));
    browser = await chromium.launchPersistentContext(profile, {
      executablePath,
      headless: true,
      locale: 'zh-CN',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    tab = await browser.newPage();
    tab.on('console', (message) => complaints.push(message.text()));
    tab.on('pageerror', (error) => complaints.push(String(error)));
    tab.on('requestfailed', (request) => complaints.push(request.url()));
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(profile, { recursive: true, force: true });
  });

  test('it is shown in the language of the browser, and in the other at a click', async () => {
    await tab.goto(server.url);
    expect(await tab.locator('h1').textContent()).toBe(`Sharing ${trap}`);
    expect(await tab.locator('html').getAttribute('lang')).toBe('zh-Hans');
    expect(await tab.locator('h2').allTextContents()).toEqual(['公开集合', '如何连接']);
    await tab.getByRole('link', { name: 'English' }).click();
    expect(await tab.locator('html').getAttribute('lang')).toBe('en');
    expect(await tab.locator('h2').allTextContents()).toEqual(['Public collections', 'How to connect']);
    expect(await tab.getByRole('link', { name: 'English' }).getAttribute('aria-current')).toBe('true');
  });

  test('its style is applied, and the browser has nothing to complain of', async () => {
    await tab.goto(server.url);
    expect(await tab.evaluate("getComputedStyle(document.querySelector('main')).maxWidth")).toMatch(/px$/);
    expect(complaints).toEqual([]);
  });

  test.each(['light', 'dark'] as const)(
    'in %s colours every text stands out from what is behind it',
    async (scheme) => {
      await tab.emulateMedia({ colorScheme: scheme });
      await tab.goto(server.url);
      expect(await tab.evaluate(leastContrast)).toBeGreaterThanOrEqual(4.5);
    },
  );

  test('a phone shows it without scrolling sideways', async () => {
    await tab.setViewportSize({ width: 320, height: 640 });
    await tab.goto(server.url);
    expect(await tab.evaluate('document.documentElement.scrollWidth')).toBe(320);
  });
});
