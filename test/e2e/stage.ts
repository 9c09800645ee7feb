import { afterAll, beforeAll } from 'vitest';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay, type TestRelayOptions } from '../../src/testing/relay.ts';
import { removeDir, tempDir, type World } from './harness.ts';

/** What the tests of a file play on: a node, a relay and a folder, from before the first test until after the last. */
export interface Stage {
  readonly dir: string;
  readonly node: Regtest;
  readonly relay: TestRelay;
  /** The three, as programs are started on them. */
  readonly world: Pick<World, 'dir' | 'node' | 'relays'>;
}

/** Sets the stage of a file: called once, outside of its tests; what the file starts itself it stops before. */
export function stage(relayOptions: TestRelayOptions = {}): Stage {
  const dir = tempDir();
  let node: Regtest | undefined;
  let relay: TestRelay | undefined;
  beforeAll(async () => {
    [node, relay] = await Promise.all([startRegtest(), startTestRelay(relayOptions)]);
  }, 180_000);
  afterAll(async () => {
    await relay?.stop();
    await node?.stop();
    removeDir(dir);
  });
  return {
    dir,
    get node() {
      return node!;
    },
    get relay() {
      return relay!;
    },
    get world() {
      return { dir, node: node!, relays: [relay!.url] };
    },
  };
}
