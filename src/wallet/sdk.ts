import { curve } from '#curve';
import type { Network } from '../bitcoin/network.ts';
import type { Chain } from '../chain/types.ts';
import type { ContentStore } from '../content/store.ts';
import { type Bytes, fromHex, isHex, toBase64url, toHex } from '../crypto/index.ts';
import {
  applyUpdate,
  beaconService,
  type DidDocument,
  DidError,
  didOfGenesis,
  documentOfGenesis,
  draftUpdate,
  encodeDid,
  genesisDocument,
  initialDocument,
  type Resolution,
  resolve,
  type SignedUpdate,
  signUpdate,
} from '../did/index.ts';
import { admissionStatement, optInStatement, registrationStatement, type Scheme } from '../messages/index.ts';
import {
  authEvent,
  type ConnectionOptions,
  createInbox,
  createOutbox,
  createRelays,
  DIRECTED_KIND,
  expirationOf,
  INBOX_TIMING,
  type Inbox,
  type Log,
  MAIL_KINDS,
  NIP04_KIND,
  type OpenSocket,
  type Outbox,
  type Relays,
  schemeOfKind,
} from '../nostr/index.ts';
import { createEye } from '../shell/eye.ts';
import type { KeyStore } from '../shell/keystore.ts';
import { createMail } from '../shell/mail.ts';
import { signalSource } from '../shell/source.ts';
import { tellingFaults } from '../store/faults.ts';
import type { WalletStore } from '../store/wallet-store.ts';
import { createActor } from './actor.ts';
import {
  type Announced,
  type ByHandApi,
  type DidSigner,
  type HandNews,
  type PublishApi,
  type RestoreApi,
  type SingletonApi,
  type WalletApi,
  WalletError,
} from './api.ts';
import { beaconOf, type MemberBeacon, type Membership, provenBeaconOf, type WalletDid } from './core.ts';
import { baseOfNext, firstDocument, holdersOf, methodOf, rivalCohorts, sidecarOf } from './dids.ts';
import { discoverAdverts } from './discovery.ts';
import { createOwnBeacon } from './own-beacon.ts';
import { createPublishing } from './publishing.ts';
import { askRebind, rebindOutcome } from './rebinding.ts';
import { createRestorer, isSeeded } from './restorer.ts';
import { cohortViews, didViews, doubtView, missingProofs } from './views.ts';

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
}

/** All in milliseconds. */
export interface WalletTiming {
  /** How often it is looked for requests that nobody answered. */
  readonly resendMs: number;
  /** How often cohorts are looked at on the chain, also without a new block. */
  readonly lookMs: number;
  /** How often relays are asked for what they may have kept to themselves. */
  readonly resyncMs: number;
}

export interface Wallet extends WalletApi, SingletonApi, ByHandApi, RestoreApi, PublishApi {
  /** Connects to the relays and answers rounds by itself from now on. */
  start(): void;
  stop(): Promise<void>;
  /** Tells of everything that is stored, and of what was refused; returns how to stop. */
  onEvent(listener: (event: HandNews) => void): () => void;
  /** Rejects when the wallet cannot go on, as when the disk is full. */
  failed: Promise<never>;
}

const ANSWER_MS = 60_000;
/** How long relays may take to show what this wallet sent itself, before anything is answered. */
const OWN_MS = 5_000;
const TIMING: WalletTiming = { resendMs: 2_000, lookMs: 10_000, resyncMs: INBOX_TIMING.resyncMs };
const MAX_SKEW = 900;

const WIN_BACK =
  'to win it back, register it with `disclose` (--disclose): that proves control, and tells the aggregator the DID';

const aboutRestored = (did: string): string =>
  `${did} was restored: if the lost wallet had signed another update of its next version, and that appears on the chain, the DID is lost for ever. If you know that there is none, say so with \`afterRestore\` (--after-restore)`;

/** A listed key's word for a new transport key: its x-only form, and BIP-340 over the statement. */
const vouch = async ({ publicKey, sign }: DidSigner, statement: Bytes) => ({
  pubkey: publicKey.slice(2),
  sig: toHex(await sign(statement)),
});

/** The SDK: a wallet made of parts that may come from Node, a browser, or a test. */
export function createWallet(parts: WalletParts): Wallet {
  const { network, keys, random, now, log, chain } = parts;
  const timing = { ...TIMING, ...parts.timing };
  const fetchLimits = parts.fetchLimits === undefined ? {} : { fetchLimits: parts.fetchLimits };
  const listeners = new Set<(event: HandNews) => void>();
  /** What relays keep of this wallet's own messages was read, or they had the time to show it. */
  let ownRead: Promise<unknown> = Promise.resolve();
  let ownFound: Promise<unknown> = Promise.resolve();
  let net: { relays: Relays; inbox: Inbox; outbox: Outbox } | null = null;
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
  const mail = createMail({ lend: keys.lend, random, maxMessageBytes: () => net?.relays.maxMessageBytes() ?? null });
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
    onStored: () => net?.outbox.wake(),
    onUnanswered: () => net?.inbox.askAgain(),
    onEvent: event => {
      for (const listener of listeners) listener(event);
    },
  });
  const ownBeacon = createOwnBeacon({ network, chain, eye, keys, random, actor });
  const timers: ReturnType<typeof setInterval>[] = [];
  let stopTips: (() => void) | null = null;

  /** Keys that relays asked to see (NIP-42); null while none has. */
  let shown: Set<string> | null = null;

  /** Only the scheme that a membership began with: answers come in it, so nothing else is asked for. */
  const recipientsOf = (scheme: Scheme | null): string[] =>
    [...actor.state().cohorts.values()]
      .filter(membership => scheme === null || (membership.scheme ?? 'nip44_v2') === scheme)
      .flatMap(({ transport, rebinding }) => (rebinding ? [transport, rebinding.transport] : [transport]))
      .filter(keys.has);

  /** Whether messages of a cohort are carried by hand: then no answer is waited for. */
  const isByHand = (cohort: string): boolean =>
    parts.relays.length === 0 || actor.state().cohorts.get(cohort)?.relays.length === 0;

  function urls(): string[] {
    if (parts.relays.length === 0) return [];
    return [...new Set([...parts.relays, ...[...actor.state().cohorts.values()].flatMap(({ relays }) => relays)])];
  }

  function connect(): NonNullable<typeof net> {
    const relays = createRelays(urls(), {
      openSocket: parts.openSocket,
      log,
      ...fetchLimits,
      auth: (challenge, relayUrl) => {
        const transports = recipientsOf(null);
        shown = new Set([...(shown ?? []), ...transports]);
        const sign = (secret: Bytes) => authEvent({ challenge, relayUrl, createdAt: now() }, secret, random(32));
        // Who only looks for adverts has no key yet, and such a relay shows nothing to nobody: a passing one will do.
        return transports.length === 0 ? [sign(passingKey())] : transports.map(key => keys.lend(key, sign));
      },
    });
    const inbox = createInbox({
      relays,
      kinds: MAIL_KINDS,
      recipients: kind => recipientsOf(schemeOfKind(kind)),
      cursors: store.cursors,
      seen: store.hasSeen,
      now,
      maxSkew: MAX_SKEW,
      deliver: event =>
        ownRead
          .then(() => actor.deliver(event))
          .catch(error => {
            if (error instanceof Error && error.name.startsWith('Store')) fail(error);
            throw error;
          }),
      timing: { resyncMs: timing.resyncMs },
      log,
    });
    watchOwn(relays);
    return { relays, inbox, outbox: createOutbox({ relays, store: store.outbox, now, log }) };
  }

  /**
   * A message of this wallet's own that it knows nothing of: its database is an old copy, whoever copied it, or another
   * copy is at work. Relays keep such messages for weeks, so they tell it even of a copy that was made by hand; until they
   * had the time to tell it, no request is looked at.
   */
  function watchOwn(relays: Relays): void {
    // What was put back from its words has no log of what it sent, and signs in none of its cohorts.
    const ownAuthors = (): string[] =>
      [...actor.state().cohorts.values()].flatMap(({ phase, transport }) =>
        phase.name === 'restored' ? [] : [transport],
      );
    const waiting = new Set(relays.urls);
    let done: () => void = () => {};
    ownRead = new Promise<void>(resolve => {
      const patience = setTimeout(resolve, OWN_MS);
      timers.push(patience);
      done = () => {
        clearTimeout(patience);
        resolve();
      };
    });
    relays.subscribe({
      key: 'own',
      filters: () => {
        const authors = ownAuthors();
        return authors.length === 0 ? [] : [{ kinds: [DIRECTED_KIND, NIP04_KIND], authors }];
      },
      onEvent(event) {
        const isStale = (expirationOf(event) ?? Number.POSITIVE_INFINITY) <= now();
        const isNoted = (): boolean => event.created_at <= (actor.state().doubt?.since ?? -1);
        if (isStale || isNoted() || store.hasSent(event.id)) return;
        log('error', 'this wallet sent a message that it knows nothing of: it is an old copy, or one of two', {
          event: event.id,
        });
        ownFound = ownFound.then(() => (isNoted() ? null : actor.feed({ type: 'restored' }))).catch(fail);
      },
      onEose(url) {
        waiting.delete(url);
        if (waiting.size === 0) void ownFound.then(done);
      },
    });
    if (relays.urls.length === 0 || ownAuthors().length === 0) done();
  }

  function passingKey(): Bytes {
    let secret = random(32);
    while (!curve.isSecretKey(secret)) secret = random(32);
    return secret;
  }

  /** A store that takes nothing more is told to whoever owns the wallet, not thrown out of a timer. */
  function resend(): void {
    if (parts.relays.length === 0) return;
    try {
      actor.resend();
    } catch (error) {
      fail(error);
    }
  }

  function start(): void {
    if (net) return;
    net = connect();
    void actor.reportLostNonces().catch(fail);
    stopTips = eye?.onTip(() => void actor.lookAll().catch(fail)) ?? null;
    timers.push(setInterval(resend, timing.resendMs));
    timers.push(setInterval(() => void actor.lookAll().catch(fail), timing.lookMs));
  }

  /**
   * A cohort may live on relays that the wallet did not know, or on one that wants to see the new key first: then it
   * connects anew.
   */
  async function reachRelays(): Promise<void> {
    start();
    const known = new Set(net!.relays.urls);
    const isIntroduced = shown === null || recipientsOf(null).every(transport => shown!.has(transport));
    if (isIntroduced && urls().every(url => known.has(new URL(url).href) || known.has(url))) {
      net!.inbox.refresh();
      return;
    }
    const old = net!;
    await old.inbox.close();
    await old.outbox.close();
    await old.relays.close();
    net = connect();
  }

  const didOf = (did: string): WalletDid => {
    const own = actor.state().dids.get(did);
    if (!own) throw new WalletError('unknown_did', `this wallet does not hold ${did}`);
    return own;
  };
  const readyBeacon = (cohort: string): { membership: Membership; beacon: MemberBeacon } => {
    const membership = actor.state().cohorts.get(cohort);
    if (!membership) throw new WalletError('unknown_cohort', `this wallet is in no cohort ${cohort}`);
    const beacon = beaconOf(membership);
    if (!beacon) throw new WalletError('not_ready', `the cohort is ${membership.phase.name}`);
    return { membership, beacon };
  };
  /** Refuses what could not be sent, before anything of it is stored. */
  function requireTransport(cohort: string): void {
    const membership = actor.state().cohorts.get(cohort);
    if (!membership || keys.has(membership.transport)) return;
    const text = `the transport key for cohort ${cohort} is not in this wallet: ask for another one first (rebind)`;
    throw new WalletError('transport_lost', text);
  }
  const refusedBy = (drop: string | null): void => {
    if (drop !== null) throw new WalletError('refused', drop);
  };
  async function answer<T>(
    look: Parameters<typeof actor.until<T>>[0],
    what: string,
    timeoutMs = ANSWER_MS,
  ): Promise<T> {
    const found = await actor.until(look, timeoutMs);
    if (found === undefined)
      throw new WalletError(
        'timeout',
        `no answer to ${what} yet; it stays sent, and its answer will be taken when it comes`,
      );
    return found;
  }

  async function join({
    advert,
    invite,
    scheme: wanted,
    voucher,
  }: Parameters<WalletApi['join']>[0]): ReturnType<WalletApi['join']> {
    const { terms, terms_hash, identity, cohort } = advert;
    if (terms.btc_network !== network)
      throw new WalletError('refused', `the advert is for ${terms.btc_network}, this wallet for ${network}`);
    const scheme = wanted ?? (terms.communication.includes('nip44_v2') ? 'nip44_v2' : terms.communication[0]!);
    if (!terms.communication.includes(scheme))
      throw new WalletError('refused', `the advert takes ${terms.communication.join(', ')}, not ${scheme}`);
    const transport = keys.create('transport').slice(2);
    const participant_pk = keys.create('cohort');
    const statement = optInStatement({ aggregator: identity, network, terms_hash, transport_key: transport });
    const prove = (secret: Bytes): Bytes => curve.signSchnorr(statement, secret, random(32));
    const proof = toHex(keys.lend(participant_pk, prove, 'statement'));
    const listed = { aggregator: identity, terms_hash, transport_key: transport };
    const admission = voucher ? await vouch(voucher, admissionStatement(listed)) : invite && { invite };
    refusedBy(
      await actor.feed({
        type: 'join',
        cohort,
        advert_event: advert.event,
        terms,
        terms_hash,
        identity,
        relays: advert.relays,
        transport,
        scheme,
        opt_in: {
          advert_id: terms.id,
          terms_hash,
          participant_pubkey: participant_pk,
          return_interact: `nostr:${transport}`,
          proof,
          ...(admission ? { admission } : {}),
        },
      }),
    );
    await reachRelays();
    if (isByHand(cohort)) return { cohort, participant_pk };
    const phase = await answer(state => {
      const at = state.cohorts.get(cohort)!.phase;
      return at.name === 'asked' ? undefined : at;
    }, 'the opt-in');
    if (phase.name === 'ended') throw new WalletError('refused', phase.reason);
    return { cohort, participant_pk };
  }

  async function createDid(request: Parameters<WalletApi['createDid']>[0]): ReturnType<WalletApi['createDid']> {
    const { kind, cohort, name = null, singleton = true, didSigner } = request;
    if (didSigner && !(isHex(didSigner.publicKey, 33) && curve.isCompressedPoint(fromHex(didSigner.publicKey))))
      throw new WalletError('refused', 'the public key of the signer is no compressed secp256k1 key');
    const public_key = didSigner?.publicKey ?? keys.create('did');
    const publicKey = fromHex(public_key, 33);
    let did: string;
    let genesis: DidDocument | null = null;
    if (kind === 'k') {
      if (cohort) throw new WalletError('refused', 'a k identifier lists a cohort only by an update: make it first');
      did = encodeDid({ version: 1, network, kind: 'key', genesisBytes: publicKey });
    } else {
      const services = cohort ? [serviceOf(cohort)] : [];
      genesis = genesisDocument({ publicKey, network, services, singleton });
      did = didOfGenesis(genesis, network);
    }
    const document = genesis ? documentOfGenesis(did, genesis) : initialDocument(did);
    refusedBy(await actor.feed({ type: 'add_did', did, name, network, public_key, genesis, document }));
    return { did, document };
  }

  /** A BIP-340 signature by a DID's key, wherever that lives. What came from elsewhere is verified before it is used. */
  async function signAs(own: WalletDid, hash: Bytes, didSigner: DidSigner | undefined): Promise<Bytes> {
    if (!didSigner) {
      if (!keys.has(own.public_key))
        throw new WalletError('refused', `the key of ${own.did} is not in this wallet: its signer has to be given`);
      return keys.lend(own.public_key, secret => curve.signSchnorr(hash, secret, random(32)));
    }
    if (didSigner.publicKey !== own.public_key)
      throw new WalletError('refused', `the signer is for the key ${didSigner.publicKey}, ${own.did} has another`);
    const signature = await didSigner.sign(Uint8Array.from(hash));
    if (!curve.verifySchnorr(hash, fromHex(own.public_key, 33).subarray(1), signature))
      throw new WalletError('refused', `what the signer of ${own.did} made is no signature by its key`);
    return signature;
  }

  /** A signal of the own beacon spends by the DID's key, which a signer elsewhere does not do. */
  function requireOwnKey(own: WalletDid): void {
    if (!keys.has(own.public_key))
      throw new WalletError(
        'refused',
        `the key of ${own.did} is not in this wallet: its own beacon cannot be used here`,
      );
  }

  function serviceOf(cohort: string) {
    const { membership, beacon } = readyBeacon(cohort);
    return beaconService('#beacon', membership.terms.type, beacon.beacon_address);
  }

  async function resolveOwn(own: WalletDid): Promise<Resolution> {
    if (!chain) throw new WalletError('no_chain', 'resolving needs a view of the chain');
    return resolve({
      did: own.did,
      sidecar: sidecarOf(actor.state(), own),
      chain: signalSource(chain),
      options: { bitOrder: orderOf(own) },
    });
  }

  /** How the trees of the cohorts that hold this DID number their bits. */
  function orderOf(own: WalletDid): 'spec' | 'lsb' {
    const isOld = [...actor.state().cohorts.values()].some(
      membership =>
        membership.terms.bit_order === 'lsb' &&
        (provenBeaconOf(membership)?.registrations.has(own.did) ||
          own.named.has(provenBeaconOf(membership)?.beacon_address ?? '')),
    );
    return isOld ? 'lsb' : 'spec';
  }

  /** A DID that lists a beacon with a past cannot be resolved before its proofs are here; its first document is known. */
  async function currentDocument(own: WalletDid): Promise<DidDocument> {
    try {
      return (await resolveOwn(own)).document;
    } catch (error) {
      if (own.updates.length === 0 && error instanceof DidError && error.code === 'MISSING_UPDATE_DATA')
        return firstDocument(own);
      throw error;
    }
  }

  async function register(request: Parameters<WalletApi['register']>[0]): ReturnType<WalletApi['register']> {
    const { did, cohort, didSigner, disclose = false } = request;
    const own = didOf(did);
    const { membership, beacon } = readyBeacon(cohort);
    requireTransport(cohort);
    const document = await currentDocument(own);
    const method =
      methodOf(document, 'authentication', own.public_key) ??
      methodOf(document, 'capabilityInvocation', own.public_key);
    if (!method) throw new WalletError('refused', `the key of this wallet controls ${did} no more`);
    const statement = registrationStatement({
      did,
      network,
      beacon_address: beacon.beacon_address,
      participant_pk: membership.participant_pk,
      challenge: beacon.challenge,
    });
    const sig = toHex(await signAs(own, statement, didSigner));
    const sidecar = { ...sidecarOf(actor.state(), own) };
    start();
    const proof = { verification_method: method, sig };
    const asking = { type: 'register' as const, cohort, did, proof, sidecar, ...(disclose ? { disclose } : {}) };
    if (isByHand(cohort)) {
      refusedBy(await actor.feed(asking));
      return { did, cohort, proven: false, signals: 0, asked: true };
    }
    const refusal = await hearRefusal(cohort, did, async () => {
      refusedBy(await actor.feed(asking));
      await answer(({ asked, cohorts }) => {
        const at = beaconOf(cohorts.get(cohort)!)!.registrations.get(did)!;
        const isAsked = [...asked.values()].some(a => a.cohort === cohort && a.slot === `register ${did}`);
        // One that is held stays so while it is asked for again, and only a proof is worth waiting for.
        return at.name === 'asked' || (disclose && isAsked) ? undefined : at;
      }, 'the registration');
    });
    const result = readyBeacon(cohort).beacon.registrations.get(did)!;
    if (result.name === 'refused' || (disclose && refusal)) {
      const { code, text } = refusal ?? (result as Extract<typeof result, { name: 'refused' }>);
      const isSquatted = code === 'did_taken' && !disclose && membership.terms.privacy === 'blinded';
      const way = isSquatted ? `; ${WIN_BACK}` : '';
      throw new WalletError('refused', `${code}: ${text}${way}`);
    }
    await actor.lookAll();
    const complete = await answer(state => {
      const now_ = beaconOf(state.cohorts.get(cohort)!)!;
      return missingProofs(now_, did) === 0 ? now_.signals.size : undefined;
    }, 'the request for the proofs of earlier signals');
    return { did, cohort, proven: result.name === 'held' && result.proven, signals: complete };
  }

  /** What a registration was refused with meanwhile, or null. */
  async function hearRefusal(
    cohort: string,
    did: string,
    run: () => Promise<void>,
  ): Promise<{ code: string; text: string } | null> {
    let refusal: { code: string; text: string } | null = null;
    const listener = (event: HandNews): void => {
      if (event.type === 'registration_refused' && event.cohort === cohort && event.did === did) refusal = event;
    };
    listeners.add(listener);
    try {
      await run();
    } finally {
      listeners.delete(listener);
    }
    return refusal;
  }

  async function update(request: Parameters<WalletApi['update']>[0]): ReturnType<WalletApi['update']> {
    const own = didOf(request.did);
    const { did } = own;
    const isAlone = request.via === 'singleton';
    const cohorts = request.cohorts ?? (isAlone ? [] : holdersOf(actor.state(), did));
    if (cohorts.length === 0 && !isAlone) throw new WalletError('not_registered', `${did} is registered in no cohort`);
    cohorts.forEach(requireTransport);
    if (isAlone) requireOwnKey(own);
    await actor.lookAll();
    const resolution = await resolveOwn(didOf(did));
    if (resolution.deactivated) throw new WalletError('refused', `${did} is deactivated`);
    if (own.restored && !request.afterRestore) throw new WalletError('restored', aboutRestored(did));
    const resolved = { document: resolution.document, version: Number(resolution.versionId) };
    const { document, version, waitsFor } = baseOfNext(didOf(did), resolved);
    if (waitsFor && (waitsFor.state === 'returned' || (isAlone && waitsFor.state !== 'final')))
      throw new WalletError(
        'version_busy',
        `version ${waitsFor.version} was signed for and comes first, byte for byte the same: it is ${waitsFor.state}`,
      );
    if (!waitsFor) await bringUpToDate(did, version, cohorts, request.didSigner);
    const method = methodOf(document, 'capabilityInvocation', own.public_key);
    if (!method) throw new WalletError('refused', `the key of this wallet may not update ${did}`);
    const signed = await signUpdate(draft(document, version, request.patch), {
      did,
      verificationMethod: method,
      signer: hash => signAs(own, hash, request.didSigner),
    });
    // The dry run: an announced update that is wrong in any way destroys the DID.
    const target = applyUpdate({ did, document, versionId: version, update: signed });
    checkBeacons(target);
    return send({ ...request, did, document, update: signed, target, cohorts });
  }

  /** Sends a signed update that was dry-run to cohorts, announces it by the own beacon, or both. */
  async function send(request: {
    did: string;
    document: DidDocument;
    update: SignedUpdate;
    target: DidDocument;
    cohorts: string[];
    via?: 'singleton';
    feeCapSats?: number;
    bare?: boolean;
  }): Promise<Announced> {
    const { did, document, update: signed, target, via, feeCapSats } = request;
    start();
    if (via === 'singleton') {
      const own = didOf(did);
      const cohorts = [...new Set([...request.cohorts, ...rivalCohorts(actor.state(), own, signed)])];
      return ownBeacon.announce({ own, document, update: signed, target, cohorts, feeCapSats });
    }
    const { cohorts } = request;
    const bare = request.bare ? { bare: true } : {};
    refusedBy(await actor.feed({ type: 'submit_update', did, update: signed, document: target, cohorts, ...bare }));
    const isAsked = cohorts.every(
      cohort => isByHand(cohort) || actor.state().cohorts.get(cohort)?.terms.flow === 'pull',
    );
    const sent = await answer(state => {
      const known = state.dids.get(did)!.updates.find(candidate => candidate.update === signed);
      // In the pull flow it waits for the aggregator to ask.
      return known && (isAsked || known.state !== 'signed') ? known : undefined;
    }, 'the update');
    if (sent.state === 'refused') throw new WalletError('refused', sent.text ?? 'refused');
    return { did, version: sent.version, announcement: sent.announcement, cohorts, state: sent.state };
  }

  async function announce(request: Parameters<SingletonApi['announce']>[0]): ReturnType<SingletonApi['announce']> {
    const { did } = request;
    await actor.lookAll();
    const own = didOf(did);
    const known = request.announcement
      ? own.updates.find(update => update.announcement === request.announcement)
      : own.updates.find(({ state }) => state !== 'final' && state !== 'replaced' && state !== 'refused');
    if (!known) throw new WalletError('refused', `${did} has no such update to announce`);
    const cohorts = request.cohorts ?? (request.via === 'singleton' ? [] : holdersOf(actor.state(), did));
    if (cohorts.length === 0 && request.via !== 'singleton')
      throw new WalletError('not_registered', `${did} is registered in no cohort`);
    cohorts.forEach(requireTransport);
    if (request.via === 'singleton') requireOwnKey(own);
    const { document, versionId, updates } = await resolveOwn(own);
    const version = Number(versionId);
    const { update } = known;
    if (known.version > version + 1)
      throw new WalletError('version_busy', `version ${version + 1} comes first: the chain shows version ${version}`);
    if (known.version <= version) {
      if (updates[known.version - 2]?.updateHash !== toBase64url(fromHex(known.announcement, 32)))
        throw new WalletError('version_busy', `another update made version ${known.version}`);
      return send({ ...request, document, update, target: document, cohorts });
    }
    const target = applyUpdate({ did, document, versionId: version, update });
    checkBeacons(target);
    await bringUpToDate(did, version, cohorts, request.didSigner);
    return send({ ...request, document, update, target, cohorts });
  }

  /** A cohort that did not announce the last version knows an older document: it is told by a new registration. */
  async function bringUpToDate(
    did: string,
    version: number,
    cohorts: readonly string[],
    didSigner: DidSigner | undefined,
  ): Promise<void> {
    const last = didOf(did).updates.find(update => update.version === version && update.state === 'final');
    for (const cohort of last ? cohorts : []) {
      if (last?.cohorts.includes(cohort)) continue;
      await register({ did, cohort, ...(didSigner ? { didSigner } : {}) });
      // Carried by hand the registration goes before the update, and both are answered in their order.
      if (isByHand(cohort)) continue;
      await answer(state => {
        const isAsked = [...state.asked.values()].some(a => a.cohort === cohort && a.slot === `register ${did}`);
        return isAsked ? undefined : true;
      }, 'the registration of the newer document');
    }
  }

  function draft(document: DidDocument, versionId: number, patch: Parameters<typeof draftUpdate>[0]['patch']) {
    try {
      return draftUpdate({ document, versionId, patch });
    } catch (error) {
      if (error instanceof DidError) throw new WalletError('invalid_patch', error.reason);
      throw error;
    }
  }

  /** A beacon may be listed only with the proofs of its whole history. */
  function checkBeacons(target: DidDocument): void {
    for (const membership of actor.state().cohorts.values()) {
      const beacon = provenBeaconOf(membership);
      if (!beacon || !JSON.stringify(target.service ?? []).includes(beacon.beacon_address)) continue;
      if (membership.phase.name === 'ready' && beacon.registrations.get(target.id)?.name !== 'held')
        throw new WalletError(
          'not_registered',
          `register ${target.id} in cohort ${membership.cohort} before listing its beacon`,
        );
      if (missingProofs(beacon, target.id) > 0)
        throw new WalletError('draft', `proofs of earlier signals of ${beacon.beacon_address} are missing`);
    }
  }

  return {
    start,
    failed,
    async stop() {
      actor.stopWaiting();
      for (const timer of timers.splice(0)) clearInterval(timer);
      stopTips?.();
      eye?.stop();
      if (net) {
        await net.inbox.close();
        await Promise.race([net.outbox.idle(), new Promise(resolve => setTimeout(resolve, 2_000))]);
        await net.outbox.close();
        await net.relays.close();
        net = null;
      }
      await chain?.close();
      await store.close();
    },
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    discover: query =>
      discoverAdverts(
        {
          network,
          relays: parts.relays,
          openSocket: parts.openSocket,
          now,
          log,
          ownRelays() {
            start();
            return net!.relays;
          },
        },
        query,
      ),
    join,
    async ready(cohort) {
      start();
      const phase = await answer(
        state => {
          const at = state.cohorts.get(cohort)?.phase;
          return at?.name === 'ready' || at?.name === 'ended' ? at : undefined;
        },
        'the cohort set',
        24 * 86_400_000,
      );
      if (phase.name === 'ended') throw new WalletError('refused', phase.reason);
      const { beacon_address, participant_pubkeys } = phase.beacon;
      return { beacon_address, participant_pubkeys };
    },
    async release({ cohort, to }) {
      refusedBy(await actor.feed({ type: 'agree_release', cohort, to }));
    },
    async rebind(cohort) {
      const member = actor.state().cohorts.get(cohort);
      if (!member) throw new WalletError('unknown_cohort', `this wallet is in no cohort ${cohort}`);
      const transport_key = await askRebind({ actor, keys, random, now }, member);
      await reachRelays();
      if (isByHand(cohort)) return { cohort, transport_key };
      const { refused } = await answer(
        state => rebindOutcome(state.cohorts.get(cohort)!, transport_key),
        'the new transport key',
      );
      if (refused !== null) throw new WalletError('refused', refused);
      return { cohort, transport_key };
    },
    async leave(cohort) {
      requireTransport(cohort);
      start();
      refusedBy(await actor.feed({ type: 'leave', cohort, reason: 'the wallet leaves' }));
      if (isByHand(cohort)) return;
      await answer(state => (state.cohorts.get(cohort)?.phase.name === 'ended' ? true : undefined), 'leaving');
    },
    compose: async request => actor.compose(request, net?.relays.urls ?? urls()),
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
    createDid,
    register,
    update,
    announce,
    ...createPublishing({
      content: parts.content ?? null,
      state: actor.state,
      didOf,
      pause: ms => new Promise(resolve => setTimeout(resolve, ms)),
    }),
    ...createRestorer({ network, chain, keys, actor, now, reachRelays, resolveOwn }),
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
      relays: (net?.relays.urls ?? urls()).map(url => ({ url, connected: net?.relays.isConnected(url) ?? false })),
      chain: { kind: chain?.kind ?? 'none', height },
      seeded: isSeeded(keys),
      cohorts: cohortViews(actor.state(), keys.has),
      dids: didViews(actor.state()),
    }),
  };
}
