import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const src = fileURLToPath(new URL('../src', import.meta.url));

const PURE = ['crypto', 'did', 'smt', 'beacon', 'bitcoin', 'messages', 'blame', 'cohort'];
/** The wallet room has a pure core and a thin shell around it. */
const PURE_FILES = [
  'answers',
  'beacon-patch',
  'blame',
  'blind',
  'opportunity',
  'check',
  'companion/barred',
  'companion/decide',
  'companion/ending',
  'companion/heir',
  'companion/kept',
  'companion/link',
  'companion/news',
  'companion/orders',
  'companion/owner',
  'companion/pair',
  'companion/registrations',
  'companion/releases',
  'companion/replies',
  'companion/report',
  'companion/requests',
  'companion/restoring',
  'companion/updates',
  'decide',
  'doubt',
  'events',
  'evolve',
  'fallback',
  'inputs',
  'jobs',
  'joining',
  'look',
  'rebind',
  'recovery',
  'refund',
  'release',
  'restore-evidence',
  'rounds',
  'saved/choose',
  'saved/manifest',
  'saved/pack',
  'saved/record',
  'saved/seal',
  'signer',
  'singleton',
  'spend',
  'state',
  'succession',
].map(name => `wallet/${name}.ts`);
/** Pure, although they stand in edge rooms: codecs of the wire. */
const PURE_EXCEPTIONS = [
  'nostr/wrap.ts',
  'nostr/chunk.ts',
  'nostr/event.ts',
  'nostr/nip44.ts',
  'nostr/nip04.ts',
  'nostr/gift-wrap.ts',
  'nostr/schemes.ts',
  'nostr/carried.ts',
  'nostr/advert-document.ts',
  'nostr/advert-link.ts',
  'nostr/url.ts',
  'nostr/advert.ts',
  'nostr/json.ts',
  'nostr/bounded.ts',
  'nostr/pow.ts',
];
/** Where Node's own crypto may be: chosen by the `#curve`, `#hasher` and `#sha256` imports, never imported by name. */
const NODE_ONLY = ['crypto/curve-tiny.ts', 'crypto/sha256-native.ts', 'smt/hasher-native.ts'];

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts'))
  .map(name => name.replaceAll('\\', '/'));

const isPure = (file: string): boolean =>
  (PURE.includes(file.split('/')[0]!) || PURE_FILES.includes(file) || PURE_EXCEPTIONS.includes(file)) &&
  !NODE_ONLY.includes(file);

const importsOf = (file: string): string[] =>
  [...readFileSync(join(src, file), 'utf8').matchAll(/(?:from|import)\s+'([^']+)'/g)].map(match => match[1]!);

test('the pure files exist, so that the rule below means something', () => {
  for (const file of [...PURE_FILES, ...PURE_EXCEPTIONS, ...NODE_ONLY]) expect(files).toContain(file);
  for (const room of PURE) expect(files.some(file => file.startsWith(`${room}/`))).toBe(true);
});

test('pure rooms import pure rooms only, and nothing of Node', () => {
  const wrong: string[] = [];
  for (const file of files.filter(isPure))
    for (const name of importsOf(file)) {
      if (name.startsWith('node:') || name === 'ws' || name.includes('sqlite')) wrong.push(`${file} imports ${name}`);
      if (!name.startsWith('.')) continue;
      const target = relative(src, resolve(src, dirname(file), name)).replaceAll('\\', '/');
      if (!isPure(target)) wrong.push(`${file} imports ${target}`);
    }
  expect(wrong).toEqual([]);
});

test('pure rooms take time and randomness as parameters', () => {
  const wrong = files
    .filter(isPure)
    .filter(file =>
      /Date\.now|new Date\(\)|Math\.random|randomBytes|getRandomValues|process\.|console\./.test(
        readFileSync(join(src, file), 'utf8'),
      ),
    );
  expect(wrong).toEqual([]);
});

test('the core of a cohort knows neither the wire nor the database', () => {
  for (const file of files.filter(name => name.startsWith('cohort/')))
    for (const name of importsOf(file)) expect(name, file).not.toMatch(/nostr|store|chain\//);
});

test('nothing outside the browser twin and its tests names the curve or the hasher by file', () => {
  for (const file of files.filter(name => !name.startsWith('crypto/')))
    for (const name of importsOf(file)) expect(name, file).not.toMatch(/curve-(tiny|noble)|hasher-(native|portable)/);
});
