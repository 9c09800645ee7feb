import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { nodeSocket } from '../../../src/nostr/websocket-node.ts';
import { newKeyFile, openKeyFile, type SeedKeyStore } from '../../../src/shell/keystore.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { startTestRelay, type TestRelay } from '../../../src/testing/relay.ts';
import { createSaver, type Saver, type SaverParts } from '../../../src/wallet/saved/saver.ts';
import { deriveSecret, rootOfMnemonic } from '../../../src/wallet/seed.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of undo.splice(0).reverse()) await stop();
});

const WORDS = 'legal winner thank year wave sausage worth useful legal winner thank yellow';
export const OTHER_WORDS = 'letter advice cage absurd amount doctor acoustic avoid letter advice cage above';

const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
const now = (): number => Math.floor(Date.now() / 1_000);

export async function relay(): Promise<TestRelay> {
  const started = await startTestRelay();
  undo.push(() => started.stop());
  return started;
}

/** A folder with the keys of these words and a real database, and what saves its state. */
export interface Device {
  saver: Saver;
  store: Store;
  keys: SeedKeyStore;
  /** When it was told that its database is an old copy. */
  warned: number[];
  dir: string;
}

export function device(
  relays: readonly TestRelay[],
  state: SaverParts['state'],
  { words = WORDS, database, ...over }: Partial<SaverParts> & { words?: string; database?: string } = {},
): Device {
  const dir = mkdtempSync(join(tmpdir(), 'btcr2-saved-'));
  const path = join(dir, 'keys.json');
  writeFileSync(path, newKeyFile({ root: rootOfMnemonic(words, 'regtest'), random }), { mode: 0o600 });
  const keys = openKeyFile(path, random, now, { derive: deriveSecret });
  const store = openStore(database ?? join(dir, 'wallet.db'), { application: 'wallet' });
  const warned: number[] = [];
  const saver = createSaver({
    network: 'regtest',
    relays: relays.map(({ url }) => url),
    keys,
    store,
    state,
    openSocket: nodeSocket,
    fetchLimits: null,
    random,
    now,
    log: () => {},
    on: true,
    onOldCopy: at => void warned.push(at),
    idleMs: 1_500,
    ...over,
  });
  undo.push(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  return { saver, store, keys, warned, dir };
}
