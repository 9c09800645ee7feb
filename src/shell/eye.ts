import { parseTx, signalBytesOf } from '../bitcoin/index.ts';
import type { AddressTx, Chain } from '../chain/index.ts';
import type { ChainTx, ChainView } from '../cohort/index.ts';
import { toHex } from '../crypto/index.ts';
import type { Log } from '../nostr/index.ts';

/** Blocks that a signal may take: what the fee is estimated for. */
const FEE_TARGET = 6;
const REMEMBERED = 50_000;

export interface Eye {
  /** One consistent look at an address: if the tip moves meanwhile, it looks again. */
  look(address: string): Promise<ChainView>;
  /** Calls back at once, on every new tip, and when the chain answers again after an outage; until stopped. */
  onTip(callback: (hash: string) => void): () => void;
  stop(): void;
}

/** Looks at the chain for the pure rooms: addresses become values, transactions are parsed once. */
export function createEye(chain: Chain, options: { pollMs: number; log: Log }): Eye {
  const parsed = new Map<string, Pick<ChainTx, 'inputs' | 'signal'>>();
  const listeners = new Set<(hash: string) => void>();
  let tip = '';
  let isDown = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;

  const facts = (tx: AddressTx): Pick<ChainTx, 'inputs' | 'signal'> => {
    const known = parsed.get(tx.txid);
    if (known) return known;
    const { inputs } = parseTx(tx.hex);
    const bytes = signalBytesOf(tx.hex);
    const made = {
      inputs: inputs.map(input => `${input.txid}:${input.vout}`),
      signal: bytes === null ? null : toHex(bytes),
    };
    if (parsed.size >= REMEMBERED) parsed.delete(parsed.keys().next().value!);
    parsed.set(tx.txid, made);
    return made;
  };

  async function look(address: string): Promise<ChainView> {
    for (;;) {
      const before = await chain.tip();
      const [utxos, history, fee_rate] = await Promise.all([
        chain.utxos(address),
        chain.history(address),
        chain.feeRate(FEE_TARGET),
      ]);
      const after = await chain.tip();
      if (after.hash !== before.hash) continue;
      return {
        tip: { height: after.height, hash: after.hash, mediantime: after.mediantime },
        utxos,
        history: history.map(tx => {
          const { txid, hex, height, block_hash, spends } = tx;
          return { txid, hex, height, block_hash, spends, ...facts(tx) };
        }),
        fee_rate,
      };
    }
  }

  async function poll(): Promise<void> {
    try {
      const { hash } = await chain.tip();
      const wasDown = isDown;
      if (wasDown) options.log('info', 'the chain backend answers again');
      isDown = false;
      // After an outage also without a new block: what could not be sent meanwhile waits for this.
      if (hash !== tip || wasDown) {
        tip = hash;
        for (const listener of listeners) listener(hash);
      }
    } catch (error) {
      if (!isDown)
        options.log('warn', 'the chain backend does not answer', {
          error: error instanceof Error ? error.message : '',
        });
      isDown = true;
    }
    if (!stopped) timer = setTimeout(() => void poll(), options.pollMs);
  }
  void poll();

  return {
    look,
    onTip(callback) {
      listeners.add(callback);
      if (tip) callback(tip);
      return () => listeners.delete(callback);
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
