import { z } from 'zod';
import { ChainError } from './errors.ts';
import type { CallOptions, Rpc, RpcCall, RpcReply } from './rpc.ts';

const WALLET_NOT_LOADED = -18;
const WALLET_ALREADY_LOADED = -35;
const WALLET_ERROR = -4;
const PAUSE_MS = 250;
const OPEN_ATTEMPTS = 120;

/** Written when an address was imported, and again when its scan is complete: only the second is proof of a whole history. */
const PENDING_LABEL = 'btcr2 scanning';
const doneLabel = (fromHeight: number): string => `btcr2 from ${fromHeight}`;
const DONE_LABEL = /^btcr2 from (\d+)$/;

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));
const isRpc = (fault: unknown, code: number): fault is ChainError =>
  fault instanceof ChainError && fault.code === 'rpc' && fault.rpcCode === code;

const isBusy = (fault: unknown): boolean =>
  isRpc(fault, WALLET_ERROR) && /loading|exists|exclusive lock/i.test(fault.message);

/** A watch-only descriptor wallet inside the node, loaded or created when it is first needed and after each restart. */
export interface WatchWallet {
  call<T>(schema: z.ZodType<T>, call: RpcCall, options?: CallOptions): Promise<T>;
  batch(calls: readonly RpcCall[]): Promise<RpcReply[]>;
  /** The output script of an address as hex. Throws ChainError `bad_address` for one of another network. */
  script(address: string): Promise<string>;
  /** Resolves when every transaction of the address since block `fromHeight` is in the wallet. */
  watch(address: string, fromHeight: number): Promise<void>;
  /** Leaves an address that is watched as it is, and watches any other from block 0. */
  ensure(address: string): Promise<void>;
  /** Changes when the wallet was loaded or got an address: whatever was read from it before may be incomplete. */
  generation(): number;
}

const loaded = z.object({ name: z.string() });
const imported = z.array(
  z.object({ success: z.boolean(), error: z.object({ code: z.number(), message: z.string() }).optional() }),
);

/** A wallet called `name` on the node behind `rpc`. Nothing is sent before it is used. */
export function watchWallet(rpc: Rpc, name: string): WatchWallet {
  const scripts = new Map<string, string>();
  const watched = new Map<string, number>();
  let loading: Promise<void> | null = null;
  let generation = 0;
  let queue: Promise<unknown> = Promise.resolve();

  /** Whether the wallet is there now; false where somebody else is making or loading it at this moment. */
  async function tryOpen(): Promise<boolean> {
    try {
      await rpc.call(loaded, { method: 'loadwallet', params: { filename: name } }, { timeoutMs: 0 });
      return true;
    } catch (fault) {
      if (isRpc(fault, WALLET_ALREADY_LOADED)) return true;
      if (isBusy(fault)) return false;
      if (!isRpc(fault, WALLET_NOT_LOADED)) throw fault;
    }
    try {
      const params = { wallet_name: name, disable_private_keys: true, blank: true };
      await rpc.call(loaded, { method: 'createwallet', params });
      return true;
    } catch (fault) {
      if (!isBusy(fault)) throw fault;
      return false;
    }
  }

  async function open(): Promise<void> {
    for (let attempt = 1; !(await tryOpen()); attempt++) {
      if (attempt >= OPEN_ATTEMPTS) throw new ChainError('rpc', `the wallet ${name} stays locked by somebody else`);
      await pause(PAUSE_MS);
    }
  }

  const load = (): Promise<void> => {
    loading ??= open()
      .then(() => {
        // The node may have come back with another data folder, so nothing counts as watched until its label was seen.
        watched.clear();
        generation++;
      })
      .finally(() => {
        loading = null;
      });
    return loading;
  };

  async function call<T>(schema: z.ZodType<T>, rpcCall: RpcCall, options: CallOptions = {}): Promise<T> {
    const run = () => rpc.call(schema, rpcCall, { ...options, wallet: name });
    try {
      return await run();
    } catch (fault) {
      if (!isRpc(fault, WALLET_NOT_LOADED)) throw fault;
      await load();
      return run();
    }
  }

  async function batch(calls: readonly RpcCall[]): Promise<RpcReply[]> {
    const replies = await rpc.batch(calls, { wallet: name });
    if (!replies.some(reply => !reply.ok && reply.code === WALLET_NOT_LOADED)) return replies;
    await load();
    return rpc.batch(calls, { wallet: name });
  }

  async function script(address: string): Promise<string> {
    const known = scripts.get(address);
    if (known !== undefined) return known;
    const schema = z.object({ isvalid: z.boolean(), scriptPubKey: z.string().optional() });
    const answer = await rpc.call(schema, { method: 'validateaddress', params: [address] });
    if (!answer.isvalid || answer.scriptPubKey === undefined)
      throw new ChainError('bad_address', `${JSON.stringify(address)} is no address of this network`);
    scripts.set(address, answer.scriptPubKey);
    return answer.scriptPubKey;
  }

  /** Block from which on the wallet has the address whole, as its label tells; null if it was never scanned to the end. */
  async function scannedFrom(address: string): Promise<number | null> {
    const schema = z.object({ ismine: z.boolean(), labels: z.array(z.string()) });
    const info = await call(schema, { method: 'getaddressinfo', params: [address] });
    const froms = info.labels.flatMap(label => DONE_LABEL.exec(label)?.[1] ?? []).map(Number);
    return info.ismine && froms.length > 0 ? Math.min(...froms) : null;
  }

  /** The node takes the first block whose time is at most two hours before the timestamp: never one after `fromHeight`. */
  async function timestampOf(fromHeight: number): Promise<number> {
    if (fromHeight <= 0) return 0;
    const hash = await rpc.call(z.string(), { method: 'getblockhash', params: [fromHeight] });
    const header = z.object({ time: z.number() });
    return (await rpc.call(header, { method: 'getblockheader', params: [hash] })).time;
  }

  async function scanIsRunning(): Promise<boolean> {
    const info = z.object({ scanning: z.union([z.boolean(), z.object({ progress: z.number() })]) });
    return (await call(info, { method: 'getwalletinfo' })).scanning !== false;
  }

  async function importFrom(address: string, fromHeight: number): Promise<void> {
    const info = z.object({ descriptor: z.string() });
    const { descriptor: desc } = await rpc.call(info, { method: 'getdescriptorinfo', params: [`addr(${address})`] });
    const request = { desc, timestamp: await timestampOf(fromHeight), label: PENDING_LABEL };
    for (;;) {
      while (await scanIsRunning()) await pause(PAUSE_MS);
      try {
        const params = { requests: [request] };
        const [outcome] = await call(imported, { method: 'importdescriptors', params }, { timeoutMs: 0 });
        if (outcome === undefined || !outcome.success)
          throw new ChainError('rescan_failed', outcome?.error?.message ?? 'no answer', outcome?.error?.code ?? null);
        break;
      } catch (fault) {
        if (!isRpc(fault, WALLET_ERROR) || !/rescanning/i.test(fault.message)) throw fault;
      }
    }
    await call(z.null(), { method: 'setlabel', params: [address, doneLabel(fromHeight)] });
  }

  async function scanFrom(address: string, fromHeight: number | null): Promise<void> {
    await script(address);
    const done = await scannedFrom(address);
    const tip = await rpc.call(z.number(), { method: 'getblockcount' });
    const from = Math.max(0, Math.min(fromHeight ?? done ?? 0, tip));
    if (done === null || done > from) await importFrom(address, from);
    watched.set(address, Math.min(done ?? from, from));
    generation++;
  }

  /** One scan at a time: the node refuses a second one in the same wallet. */
  function enqueue(address: string, fromHeight: number | null): Promise<void> {
    const mine = queue.then(() => scanFrom(address, fromHeight));
    queue = mine.catch(() => undefined);
    return mine;
  }

  return {
    call,
    batch,
    script,
    generation: () => generation,
    watch: (address, fromHeight) =>
      (watched.get(address) ?? Number.POSITIVE_INFINITY) <= fromHeight
        ? Promise.resolve()
        : enqueue(address, fromHeight),
    ensure: address => (watched.has(address) ? Promise.resolve() : enqueue(address, null)),
  };
}
