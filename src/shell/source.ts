import { parseTx } from '../bitcoin/index.ts';
import type { Chain } from '../chain/index.ts';
import type { SignalSource } from '../did/index.ts';

/** The chain as resolution sees it: confirmed spends of a beacon address with their last outputs. */
export const signalSource = (chain: Chain): SignalSource => ({
  tip: () => chain.tip(),
  async spends(address, fromHeight) {
    const spends = await chain.spends(address, fromHeight);
    return spends.flatMap(({ txid, hex, height, mediantime }) =>
      height === null || mediantime === null
        ? []
        : [{ txid, hex, height, blockTime: mediantime, lastOutputScript: parseTx(hex).outputs.at(-1)!.script_hex }],
    );
  },
});
