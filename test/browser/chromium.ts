import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';

function onPath(): string | null {
  try {
    return execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim() || null;
  } catch {
    return null;
  }
}

/** A Chromium to test in: BTCR2_CHROMIUM, else Debian's, else the one on PATH. Throws in CI if there is none. */
export function findChromium(): string | null {
  const named = process.env.BTCR2_CHROMIUM;
  if (named && !existsSync(named)) throw new Error(`BTCR2_CHROMIUM names ${named}, which does not exist`);
  const found = named || (existsSync('/usr/bin/chromium') ? '/usr/bin/chromium' : onPath());
  if (found) return found;
  const advice = 'Chromium is missing (Debian: apt-get install chromium; or BTCR2_CHROMIUM=/path/to/chromium)';
  if (process.env.CI) throw new Error(advice);
  process.stderr.write(`\n*** ${advice}: THE TESTS IN A BROWSER DO NOT RUN ***\n\n`);
  return null;
}

/** Headless, and silent: nothing but what the page asks for. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Browser {
  context: BrowserContext;
  stop(): Promise<void>;
}

/** A browser with a profile of its own, which goes when it stops. */
export async function startBrowser(executablePath: string): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'btcr2-chromium-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS });
  return {
    context,
    async stop() {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export interface Site {
  url: string;
  stop(): Promise<void>;
}

/** Talks to this machine only, and runs no text as code. */
const POLICY = "default-src 'none'; script-src 'self'; connect-src http://127.0.0.1:* ws://127.0.0.1:*";

/** Serves a page that makes the bundled SDK its global `sdk`, under a policy as strict as a wallet's should be. */
export async function serveSdk(bundle: string): Promise<Site> {
  const files: Record<string, { type: string; body: string }> = {
    '/': {
      type: 'text/html',
      body: '<!doctype html><title>wallet</title><script type="module" src="/page.js"></script>',
    },
    '/page.js': { type: 'text/javascript', body: "import * as sdk from '/wallet.js';\nglobalThis.sdk = sdk;\n" },
    '/wallet.js': { type: 'text/javascript', body: readFileSync(bundle, 'utf8') },
  };
  const server = createServer((request, response) => {
    const file = files[request.url ?? ''];
    response.writeHead(file ? 200 : 404, {
      'content-type': `${file?.type ?? 'text/plain'}; charset=utf-8`,
      'content-security-policy': POLICY,
    });
    response.end(file?.body);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
