import type { Network } from '../bitcoin/network.ts';
import type { Chain } from '../chain/types.ts';
import type { ContentStore } from '../content/store.ts';
import type { Bytes } from '../crypto/index.ts';
import { resolve } from '../did/index.ts';
import type { ConnectionOptions, Log, OpenSocket } from '../nostr/index.ts';
import { createEye } from '../shell/eye.ts';
import type { KeyStore } from '../shell/keystore.ts';
import { createMail } from '../shell/mail.ts';
import { signalSource } from '../shell/source.ts';
import { tellingFaults } from '../store/faults.ts';
import type { WalletStore } from '../store/wallet-store.ts';
import { createActor } from './actor.ts';
import {
  type ByHandApi,
  type HandNews,
  type PublishApi,
  type RestoreApi,
  type SavedApi,
  type SingletonApi,
  type WalletApi,
  WalletError,
} from './api.ts';
import { createAsking } from './asking.ts';
import { createBelonging } from './belonging.ts';
import type { CompanionApi } from './companion/api.ts';
import { createCompanioning } from './companion/companioning.ts';
import { type Connecting, createConnecting, WALLET_TIMING, type WalletTiming } from './connecting.ts';
import { createControlling } from './controlling.ts';
import { sidecarOf } from './dids.ts';
import { discoverAdverts } from './discovery.ts';
import { createOwnBeacon } from './own-beacon.ts';
import { createPublishing } from './publishing.ts';
import type { RefundApi } from './refund-api.ts';
import { createRefunding } from './refunding.ts';
import { createRestorer, isSeeded } from './restorer.ts';
import { createAutosave } from './saved/autosave.ts';
import { createSaver } from './saved/saver.ts';
import { createSucceeding, forgetRetired } from './succeeding.ts';
import type { SuccessionApi } from './succession-api.ts';
import { cohortViews, didViews, doubtView } from './views.ts';

export type { WalletTiming } from './connecting.ts';

export interface WalletParts {
  network: Network;
  /** None: the wallet connects to nothing, and its messages are carried by hand. */
  relays: readonly string[];
  /** Without a view of the chain of its own a wallet signs nothing new. */
  chain: Chain | null;
  store: WalletStore;
  keys: KeyStore;
  openSocket: OpenSocket;
  random: (length: number) => Bytes;
  /** Unix seconds. */
  now: () => number;
  log: Log;
  /** Where updates are published when their controller asks for it; nowhere if left out. */
  content?: ContentStore | null;
  /** Milliseconds between looks at the chain's tip. */
  pollMs?: number;
  /** Asks for a relay's limits (NIP-11): over HTTP if left out; null to go without. */
  fetchLimits?: ConnectionOptions['fetchLimits'];
  timing?: Partial<WalletTiming>;
  /** Saves its state on its relays by itself, encrypted to a key of its seed, which it needs; not if left out. */
  stateOnRelays?: boolean;
}

export interface Wallet
  extends WalletApi,
    SingletonApi,
    ByHandApi,
    RestoreApi,
    PublishApi,
    SavedApi,
    SuccessionApi,
    CompanionApi,
    RefundApi {
  /** Connects to the relays and answers rounds by itself from now on. */
  start(): void;
  stop(): Promise<void>;
  /** Tells of everything that is stored, and of what was refused; returns how to stop. */
  onEvent(listener: (event: HandNews) => void): () => void;
  /** Rejects when the wallet cannot go on, as when the disk is full. */
  failed: Promise<never>;
}

/** The SDK: a wallet made of parts that may come from Node, a browser, or a test. */
export function createWallet(parts: WalletParts): Wallet {
  const { network, keys, random, now, log, chain } = parts;
  const timing = { ...WALLET_TIMING, ...parts.timing };
  const fetchLimits = parts.fetchLimits === undefined ? {} : { fetchLimits: parts.fetchLimits };
  const listeners = new Set<(event: HandNews) => void>();
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const store = tellingFaults(parts.store, fail);

  let height: number | null = null;
  /** The chain, noting each tip that is seen: what the status shows. */
  const watched = chain && {
    ...chain,
    async tip() {
      const tip = await chain.tip();
      height = tip.height;
      return tip;
    },
  };
  const eye = watched && createEye(watched, { pollMs: parts.pollMs ?? 1_000, network, now, log });
  const mail = createMail({
    lend: keys.lend,
    random,
    maxMessageBytes: () => connecting.maxMessageBytes(),
    workBits: () => connecting.workBits(),
  });
  const actor = createActor({
    store,
    keys,
    mail,
    eye,
    random,
    now,
    log,
    submit: async hex => {
      const result = await chain?.submit(hex);
      if (result && !result.accepted) log('info', 'the node did not take a signal', { reason: result.reason });
    },
    onStored: () => connecting.wake(),
    onUnanswered: () => connecting.askAgain(),
    onEvent: event => {
      for (const listener of listeners) listener(event);
    },
  });
  const connecting: Connecting = createConnecting({
    relays: parts.relays,
    openSocket: parts.openSocket,
    fetchLimits,
    store,
    keys,
    eye,
    actor,
    timing,
    random,
    now,
    log,
    fail: error => fail(error),
  });
  const saver = createSaver({
    network,
    relays: parts.relays,
    keys: isSeeded(keys) ? keys : null,
    store,
    state: actor.state,
    openSocket: parts.openSocket,
    ...fetchLimits,
    random,
    now,
    log,
    on: parts.stateOnRelays ?? false,
    onOldCopy(madeAt) {
      if (madeAt > (actor.state().doubt?.since ?? -1)) void actor.feed({ type: 'restored' }).catch(fail);
    },
  });
  const autosave = createAutosave(saver, log);
  listeners.add(autosave.note);
  const asking = createAsking({ actor, keys });
  const ownBeacon = createOwnBeacon({ network, chain, eye, keys, random, actor });
  const {
    allow,
    end: endByCompanion,
    note,
    view: companionView,
    start: startPair,
    stop: stopPair,
    ...companionApi
  } = createCompanioning({
    network,
    relays: parts.relays,
    keys,
    random,
    now,
    log,
    actor,
    asking,
    connecting,
    join: request => belonging.join(request),
    putKept: () => putKept(),
    fail: error => fail(error),
  });
  listeners.add(note);
  const controlling = createControlling({
    allow,
    network,
    chain,
    keys,
    random,
    actor,
    asking,
    connecting,
    ownBeacon,
    listeners,
  });
  const { resolveOwn, currentDocument, orderOf, ...controls } = controlling;
  const { didOf, refusedBy } = asking;
  const discover: WalletApi['discover'] = query =>
    discoverAdverts(
      {
        network,
        relays: parts.relays,
        openSocket: parts.openSocket,
        now,
        log,
        ownRelays: connecting.relays,
      },
      query,
    );
  const { listingOf, ...succeeding } = createSucceeding({
    actor,
    keys,
    eye,
    asking,
    controlling,
    discover,
    endByCompanion,
  });
  const belonging = createBelonging({
    network,
    keys,
    random,
    now,
    actor,
    asking,
    connecting,
    listingOf,
    endByCompanion,
  });
  const { putKept, ...restoring } = createRestorer({
    network,
    chain,
    keys,
    actor,
    now,
    reachRelays: connecting.reachRelays,
    resolveOwn,
    saver,
    log,
  });
  forgetRetired({ actor, keys });
  return {
    start() {
      connecting.start();
      autosave.start();
      startPair();
    },
    failed,
    async stop() {
      actor.stopWaiting();
      stopPair();
      await autosave.stop();
      await connecting.stop();
      await chain?.close();
      await store.close();
    },
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    discover,
    ...belonging,
    ...companionApi,
    ...succeeding,
    ...createRefunding({ actor, eye, chain, asking, start: connecting.start, listeners }),
    compose: async request => actor.compose(request, connecting.urls()),
    async composed({ events }) {
      actor.composed(events);
      return { events: events.length };
    },
    async deliver({ text, stays }) {
      try {
        const result = await actor.deliverByHand(text, stays);
        // Proofs that are still missing are asked for, and what a status told of is looked up, before the answers are
        // composed.
        if (result.outcome === 'taken') await actor.lookAll();
        return result;
      } catch (error) {
        if (error instanceof Error && error.name.startsWith('Store')) fail(error);
        throw error;
      }
    },
    ...controls,
    ...createPublishing({
      content: parts.content ?? null,
      state: actor.state,
      didOf,
      pause: ms => new Promise(resolve => setTimeout(resolve, ms)),
    }),
    ...restoring,
    savedState: saver.inspect,
    saveState: request => saver.save({ ...request, audit: true }),
    forgetState: saver.forget,
    async fundingAddress(did) {
      const own = didOf(did);
      return ownBeacon.funding(own, await currentDocument(own));
    },
    sidecar: did => sidecarOf(actor.state(), didOf(did)),
    async resolve({ did, sidecar, ...options }) {
      if (!chain) throw new WalletError('no_chain', 'resolving needs a view of the chain');
      const own = actor.state().dids.get(did);
      const given = sidecar ?? (own ? sidecarOf(actor.state(), own) : {});
      const order = own ? { bitOrder: orderOf(own), ...options } : options;
      return resolve({ did, sidecar: given, options: order, chain: signalSource(chain) });
    },
    async trustCopy() {
      const addresses = [...(actor.state().doubt?.addresses.keys() ?? [])];
      refusedBy(await actor.feed({ type: 'trust_copy' }));
      return addresses;
    },
    status: () => ({
      doubt: doubtView(actor.state()),
      network,
      relays: connecting.urls().map(url => ({ url, connected: connecting.isConnected(url) })),
      chain: { kind: chain?.kind ?? 'none', height },
      seeded: isSeeded(keys),
      saved: saver.view(),
      companion: companionView(),
      cohorts: cohortViews(actor.state(), keys.has),
      dids: didViews(actor.state()),
    }),
  };
}
