import { curve } from '#curve';
import type { Network } from '../bitcoin/network.ts';
import type { Chain } from '../chain/types.ts';
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
import { registrationStatement } from '../messages/index.ts';
import type { KeyStore } from '../shell/keystore.ts';
import { signalSource } from '../shell/source.ts';
import type { Actor } from './actor.ts';
import {
  type Announced,
  type DidSigner,
  type HandNews,
  type SingletonApi,
  type WalletApi,
  WalletError,
} from './api.ts';
import type { Asking } from './asking.ts';
import type { Connecting } from './connecting.ts';
import { beaconOf, provenBeaconOf, type WalletDid } from './core.ts';
import { baseOfNext, firstDocument, holdersOf, methodOf, rivalCohorts, sidecarOf } from './dids.ts';
import type { OwnBeacon } from './own-beacon.ts';
import { missingProofs } from './views.ts';

const WIN_BACK =
  'to win it back, register it with `disclose` (--disclose): that proves control, and tells the aggregator the DID';

const aboutRestored = (did: string): string =>
  `${did} was restored: if the lost wallet had signed another update of its next version, and that appears on the chain, the DID is lost for ever. If you know that there is none, say so with \`afterRestore\` (--after-restore)`;

export interface ControllingParts {
  network: Network;
  chain: Chain | null;
  keys: KeyStore;
  random: (length: number) => Bytes;
  actor: Actor;
  asking: Asking;
  connecting: Connecting;
  ownBeacon: OwnBeacon;
  /** Names a DID in the policy of a cohort's companion, if it has one. */
  allow: (cohort: string, did: string) => Promise<void>;
  /** Everybody who is told of events. */
  listeners: Set<(event: HandNews) => void>;
}

/** What a controller does with its DIDs: make, register, update, announce, resolve. */
export interface Controlling
  extends Pick<WalletApi, 'createDid' | 'register' | 'update'>,
    Pick<SingletonApi, 'announce'> {
  resolveOwn(own: WalletDid): Promise<Resolution>;
  /** The newest document that can be known: the first one, while proofs of the past are on their way. */
  currentDocument(own: WalletDid): Promise<DidDocument>;
  /** How the trees of the cohorts that hold this DID number their bits. */
  orderOf(own: WalletDid): 'spec' | 'lsb';
}

export function createControlling(parts: ControllingParts): Controlling {
  const { network, chain, keys, random, actor, ownBeacon, allow, listeners } = parts;
  const { didOf, readyBeacon, requireTransport, refusedBy, answer } = parts.asking;
  const { start, isByHand } = parts.connecting;

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
    await allow(cohort, did);
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
      // In the pull flow it waits for the aggregator to ask; a companion says that it holds the update.
      const isUnheard = [...state.asked.values()].some(({ cohort, slot }) => {
        const isGiven = state.cohorts.get(cohort)?.companion !== undefined;
        return isGiven && slot === `update ${did} ${known?.announcement}`;
      });
      return known && !isUnheard && (isAsked || known.state !== 'signed') ? known : undefined;
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

  return { createDid, register, update, announce, resolveOwn, currentDocument, orderOf };
}
