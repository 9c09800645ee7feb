import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { openStore } from '../../src/store/index.ts';
import type { NostrEvent, OutboxItem, Store, StoreOptions } from '../../src/store/types.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A folder of its own for one test, removed afterwards. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'btcr2-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A store in a folder of its own, closed after the test. */
export function tempStore(path = join(tempFolder(), 'a.db'), options: Partial<StoreOptions> = {}): Store {
  const store = openStore(path, { application: 'aggregator', ...options });
  onTestFinished(() => store.close());
  return store;
}

export const toyEvent = (id: string, more: Partial<NostrEvent> = {}): NostrEvent => ({
  id,
  pubkey: 'author',
  created_at: 100,
  kind: 8252,
  tags: [['p', 'member']],
  content: `content of ${id}`,
  sig: `sig of ${id}`,
  ...more,
});

export const toyItem = (id: string, event: Partial<NostrEvent> = {}, more: Partial<OutboxItem> = {}): OutboxItem => ({
  id,
  to: 'member',
  event: toyEvent(id, event),
  createdAt: 100,
  expiresAt: 1_000,
  kind: event.kind ?? 8252,
  ...more,
});

/** Compiles child.ts, since Node 20 runs no TypeScript, and returns the script's path and the way to remove it. */
export function buildChild(): { script: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'btcr2-child-'));
  const config = join(folder, 'tsconfig.json');
  const compilerOptions = {
    outDir: folder,
    rootDir: ROOT,
    noCheck: true,
    declaration: false,
    sourceMap: false,
    types: [],
  };
  const files = [join(ROOT, 'test/store/child.ts')];
  writeFileSync(config, JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: [], files }));
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config]);
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  return {
    script: join(folder, 'test/store/child.js'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
