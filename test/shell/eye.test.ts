import { afterEach, expect, test, vi } from 'vitest';
import { type Chain, ChainError, ChainUnreachable } from '../../src/chain/index.ts';
import { createEye, type Eye } from '../../src/shell/eye.ts';
import { createChain } from '../sim/chain.ts';

const TIME = 1_700_000_000;
const ADDRESS = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
let eye: Eye | undefined;
afterEach(() => eye?.stop());

/** An eye on a chain whose answers may be bent, with what it logged and the tips that it told. */
function watching(bent: Partial<Chain>, now: () => number = () => TIME) {
  const sim = createChain('regtest', () => TIME);
  const said: string[] = [];
  const tips: string[] = [];
  eye = createEye(
    { ...sim.truth, ...bent },
    { pollMs: 1, network: 'regtest', now, log: (level, text) => said.push(`${level}: ${text}`) },
  );
  eye.onTip(hash => tips.push(hash));
  return { sim, eye, said, tips };
}
const until = (check: () => boolean): Promise<boolean> => vi.waitUntil(check, { timeout: 60_000, interval: 2 });

// fault 33
test('a node that comes back on another chain counts as down until it is the right one again', async () => {
  let network: Awaited<ReturnType<Chain['network']>> | 'unknown' = 'regtest';
  const { sim, eye, said, tips } = watching({
    network: async () => {
      if (network === 'unknown') throw new ChainError('unknown_network', 'the chain has no name');
      return network;
    },
  });
  await until(() => tips.length === 1);
  await expect(eye.look(ADDRESS)).resolves.toMatchObject({ utxos: [] });

  for (const wrong of ['signet', 'unknown'] as const) {
    const [before, heard] = [tips.length, said.length];
    network = wrong;
    sim.mine();
    await until(() => said.length > heard);
    expect(said.at(-1)).toMatch(/does not answer/);
    await expect(eye.look(ADDRESS)).rejects.toThrow(ChainUnreachable);
    expect(tips).toHaveLength(before);
    network = 'regtest';
    await until(() => tips.length === before + 1);
    await expect(eye.look(ADDRESS)).resolves.toMatchObject({ tip: { height: sim.height() } });
  }
});

// fault 47
test('a clock that is behind the chain is told, once for each time that it happens', async () => {
  let now = TIME - 86_400;
  const { sim, said, tips } = watching({}, () => now);
  const complaints = (): number => said.filter(text => text.startsWith('warn: this clock is behind')).length;
  await until(() => tips.length === 1);
  expect(complaints()).toBe(1);
  const block = async (): Promise<void> => {
    sim.mine();
    const heard = tips.length;
    await until(() => tips.length > heard);
  };
  await block();
  expect(complaints()).toBe(1);
  now = TIME;
  await block();
  now = TIME - 3_600;
  await block();
  expect(complaints()).toBe(2);
});
