import { parseTx, signalBytesOf } from '../bitcoin/index.ts';
import type { Network } from '../bitcoin/network.ts';
import { ChainUnreachable } from '../chain/errors.ts';
import type { AddressTx, Chain } from '../chain/index.ts';
import { requireNetwork } from '../chain/network.ts';
import type { ChainTx, ChainView } from '../cohort/index.ts';
import { toHex } from '../crypto/index.ts';
import type { Log } from '../nostr/index.ts';

/** Blocks that a signal may take: what the fee is estimated for. */
const FEE_TARGET = 6;
const REMEMBERED = 50_000;
/** Seconds that the clock may be behind the chain's median time (BIP-113), which itself is an hour behind the world's. */
const CLOCK_BEHIND = 30;

export interface Eye {
  /** One consistent look at an address: if the tip moves meanwhile, it looks again. */
  look(address: string): Promise<ChainView>;
  /** Calls back at once, on every new tip, and when the chain answers again after an outage; until stopped. */
  onTip(callback: (hash: string) => void): () => void;
  stop(): void;
}

export interface EyeOptions {
  /** Milliseconds between two questions for the tip. */
  pollMs: number;
  /** Asked again with every new tip: a node that comes back on another chain counts as down. */
  network: Network;
  /** Unix seconds. A clock that is behind the chain is told once, and again after it was right. */
  now: () => number;
  log: Log;
}

/**
 * Looks at the chain for the pure rooms: addresses become values, transactions are parsed once. `look` throws
 * ChainUnreachable also while the backend follows another network, so that nothing is decided or signed by it.
 */
export function createEye(chain: Chain, options: EyeOptions): Eye {
  const parsed = new Map<string, Pick<ChainTx, 'inputs' | 'signal'>>();
  const listeners = new Set<(hash: string) => void>();
  let tip = '';
  let isDown = false;
  let isForeign = false;
  let isBehind = false;
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

  function compareClock(mediantime: number): void {
    const seconds = mediantime - options.now();
    const wasBehind = isBehind;
    isBehind = seconds > CLOCK_BEHIND;
    if (isBehind && !wasBehind)
      options.log('warn', 'this clock is behind the chain: deadlines run by it, so set it right', { seconds });
  }

  async function checkNetwork(): Promise<void> {
    try {
      await requireNetwork(chain, options.network);
      isForeign = false;
    } catch (error) {
      isForeign = !(error instanceof ChainUnreachable);
      throw error;
    }
  }

  async function look(address: string): Promise<ChainView> {
    for (;;) {
      if (isForeign) throw new ChainUnreachable('the chain backend follows another network than the configured one');
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
      const { hash, mediantime } = await chain.tip();
      if (hash !== tip || isDown) await checkNetwork();
      const wasDown = isDown;
      if (wasDown) options.log('info', 'the chain backend answers again');
      isDown = false;
      // After an outage also without a new block: what could not be sent meanwhile waits for this.
      if (hash !== tip || wasDown) {
        tip = hash;
        compareClock(mediantime);
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
