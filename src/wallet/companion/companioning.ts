import { curve } from '#curve';
import type { Network } from '../../bitcoin/network.ts';
import { type Bytes, fromHex, toHex } from '../../crypto/index.ts';
import { companionPairStatement, companionPolicyStatement } from '../../messages/index.ts';
import type { Advert } from '../../nostr/advert.ts';
import type { Log } from '../../nostr/log.ts';
import type { KeyStore } from '../../shell/keystore.ts';
import type { Actor } from '../actor.ts';
import { type HandNews, type WalletApi, WalletError } from '../api.ts';
import type { Asking } from '../asking.ts';
import type { Connecting } from '../connecting.ts';
import { beaconOf, type WalletState } from '../core.ts';
import { forgetRetired } from '../succeeding.ts';
import type { CompanionApi, CompanionPolicyView, CompanionView } from './api.ts';
import { endSlot } from './ending.ts';
import { decodeCompanionLink, encodeCompanionLink } from './link.ts';
import { nextPolicy } from './owner.ts';
import { advertsOf, asCompanion, asHearing, asOwner, type Owner } from './pair.ts';
import { isUnproven } from './restoring.ts';
import { policyView, viewOf } from './view.ts';

export interface CompanioningParts {
  network: Network;
  /** Where the two halves meet. */
  relays: readonly string[];
  keys: KeyStore;
  random: (length: number) => Bytes;
  now: () => number;
  log: Log;
  actor: Actor;
  asking: Asking;
  connecting: Connecting;
  join: WalletApi['join'];
  /** Puts back the DIDs that a companion keeps of a wallet that was put back itself. */
  putKept: () => Promise<unknown>;
  fail: (error: unknown) => void;
}

export interface Companioning extends CompanionApi {
  /** A companion joins what its policy names; an owner says that it is awake, now and every few minutes. */
  start(): void;
  stop(): void;
  note(event: HandNews): void;
  /** Names a DID in the policy, which the companion of this cohort, if it is one's, asks for. */
  allow(cohort: string, did: string): Promise<void>;
  /** Has the companion let the money of its beacon go, and delete its key as soon as nothing needs that. */
  end(request: { cohort: string; release: string | null; deleteKey?: boolean; abandon?: boolean }): Promise<void>;
  view(): CompanionView | null;
}

/** How long a pairing string is good for, in seconds. */
const PAIRING = 3_600;
/** How long a policy is good for unless its owner says otherwise, in seconds. */
const POLICY = 90 * 86_400;
const SYNC_MS = 600_000;

/** Both halves of a member: what a companion does by itself, and what its owner asks of it. */
export function createCompanioning(parts: CompanioningParts): Companioning {
  const { network, keys, random, now, log, actor, connecting, join } = parts;
  const { refusedBy, answer, didOf } = parts.asking;
  const joining = new Set<string>();
  let timer: ReturnType<typeof setInterval> | null = null;

  const owner = (): Owner => {
    const held = asOwner(actor.state());
    if (!held) throw new WalletError('no_companion', 'this wallet has no companion: pair with one first');
    return held;
  };

  /** Joins the cohorts of the policy that are not joined yet; what fails is told to the owner. */
  function joinAll(): void {
    const companion = asCompanion(actor.state());
    const { policy } = companion ?? {};
    if (!companion || !policy || policy.revoked || policy.expires_at <= now()) return;
    for (const advert of advertsOf(policy)) {
      const { cohort } = advert;
      const known = actor.state().cohorts.get(cohort);
      const isOver = known === undefined || known.phase.name === 'ended';
      if (!isOver || companion.failed.has(cohort) || joining.has(cohort)) continue;
      joining.add(cohort);
      void joinOne(advert).finally(() => joining.delete(cohort));
    }
  }

  async function joinOne(advert: Advert): Promise<void> {
    const { cohort, terms } = advert;
    try {
      if (advert.status !== 'open') throw new WalletError('refused', `the advert is ${advert.status}`);
      const { fee_cap } = asCompanion(actor.state())!.policy!;
      if (terms.fee_cap > fee_cap)
        throw new WalletError('refused', `the advert allows ${terms.fee_cap} sat a signal, the policy ${fee_cap}`);
      await join({ advert });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      log('warn', 'a cohort of the policy is not joined', { cohort, text });
      // An answer that takes long may still come.
      if (error instanceof WalletError && error.code === 'timeout') return;
      await actor.feed({ type: 'companion_join_failed', cohort, text }).catch(parts.fail);
    }
  }

  /** Each seat of the companion has a key of the owner's that could take it over. */
  async function syncNow(): Promise<void> {
    for (const membership of actor.state().cohorts.values()) {
      const held = asOwner(actor.state());
      const { cohort, companion } = membership;
      if (!held || companion !== held.companion || held.heirs.has(cohort) || !beaconOf(membership)) continue;
      const transport_key = keys.create('transport').slice(2);
      await actor.feed({ type: 'companion_heir', cohort, transport_key });
    }
    if (asHearing(actor.state())) await actor.feed({ type: 'companion_sync' });
  }

  const putKept = (): void => void parts.putKept().catch(parts.fail);

  const sync = (): void => void syncNow().catch(parts.fail);

  /** Whether a request to the companion waits for its answer. */
  const isAsked = (state: WalletState, slot: string): boolean => {
    const { companionship } = state;
    return [...state.asked.values()].some(asked => asked.cohort === companionship?.pairing && asked.slot === slot);
  };

  /** Waits for the companion's answer; throws what it refused, now or, unless it `isDone`, when it was asked before. */
  async function answered(slot: string, what: string, isDone = (): boolean => false): Promise<void> {
    await answer(state => (isAsked(state, slot) ? undefined : true), what);
    const { companionship } = actor.state();
    const refusal = companionship?.role === 'owner' ? companionship.refusal : null;
    if (refusal?.slot === slot && !isDone()) throw new WalletError('refused', `${refusal.code}: ${refusal.text}`);
  }

  async function issue(changes: Parameters<typeof nextPolicy>[1]): Promise<CompanionPolicyView> {
    const held = owner();
    if (isUnproven(held))
      throw new WalletError('refused', 'the companion has not answered since this wallet was put back: is it running?');
    const policy = nextPolicy(held, changes);
    if (!policy)
      throw new WalletError(
        'refused',
        'the first policy has to say how much a signal may cost: a fee cap, in satoshis',
      );
    const statement = companionPolicyStatement({ companion: held.companion, owner: held.key, policy });
    const sig = toHex(keys.lend(held.key, secret => curve.signSchnorr(statement, secret, random(32))));
    connecting.start();
    refusedBy(await actor.feed({ type: 'companion_issue', policy, sig }));
    await answered(`policy ${policy.version}`, 'the policy');
    return policyView(policy);
  }

  async function allow(cohort: string, did: string): Promise<void> {
    if (actor.state().cohorts.get(cohort)?.companion === undefined) return;
    const dids = owner().policy?.dids ?? [];
    if (!dids.includes(did)) await issue({ dids: [...dids, did] });
  }

  return {
    start() {
      joinAll();
      sync();
      putKept();
      timer ??= setInterval(sync, SYNC_MS);
    },
    stop() {
      if (timer) clearInterval(timer);
      timer = null;
    },
    note(event) {
      if (event.type === 'companion_policy_taken') joinAll();
      if (event.type === 'cohort_ready' && asOwner(actor.state())) sync();
      if (event.type === 'companion_kept') putKept();
      if (event.type === 'retired') forgetRetired({ actor, keys });
    },
    allow,
    async end({ cohort, release, deleteKey = false, abandon = false }) {
      connecting.start();
      const order = { type: 'companion_end' as const, cohort, release, delete_key: deleteKey, abandon };
      refusedBy(await actor.feed(order));
      await answered(endSlot(cohort), 'the end of the cohort');
    },
    view: () => viewOf(actor.state()),

    async companionOpen({ expiresIn = PAIRING } = {}) {
      const { relays } = parts;
      if (relays.length === 0) throw new WalletError('refused', 'a companion meets its owner on relays: it needs one');
      const secret = drawSecret(random);
      const pairing = toHex(curve.publicKey(secret)).slice(2);
      const { companionship } = actor.state();
      const key = companionship?.role === 'companion' ? companionship.key : keys.create('transport').slice(2);
      const expires_at = now() + expiresIn;
      const opened = { key, network, pairing, expires_at, relays: [...relays] };
      refusedBy(await actor.feed({ type: 'companion_open', ...opened }));
      await connecting.reachRelays();
      const link = encodeCompanionLink({ companion: key, network, relays: [...relays], secret: toHex(secret) });
      secret.fill(0);
      return { companion: key, link, expires_at };
    },

    async companionPair({ link: text }) {
      const read = decodeCompanionLink(text);
      if (!read.ok) throw new WalletError('refused', read.reason);
      if (parts.relays.length === 0)
        throw new WalletError('refused', 'an owner meets its companion on relays: it needs one');
      const { companion, relays, secret: hex } = read.link;
      if (read.link.network !== network)
        throw new WalletError('refused', `the companion is for ${read.link.network}, this wallet for ${network}`);
      if (asOwner(actor.state()))
        throw new WalletError('refused', 'this wallet has a companion already: revoke it first');
      const key = keys.create('transport').slice(2);
      const secret = fromHex(hex, 32);
      const pairing = toHex(curve.publicKey(secret)).slice(2);
      const statement = companionPairStatement({ companion, owner: key, network });
      const proof = toHex(curve.signSchnorr(statement, secret, random(32)));
      secret.fill(0);
      const asked = { key, network, companion, pairing, relays, proof };
      refusedBy(await actor.feed({ type: 'companion_pair', ...asked }));
      await connecting.reachRelays();
      await answered('pair', 'the request to pair (is the companion running?)');
      return { companion };
    },

    async companionPolicy({ feeCapSats, expiresAt } = {}) {
      const { policy } = owner();
      const fee_cap = feeCapSats === undefined ? {} : { fee_cap: feeCapSats };
      const expires_at = expiresAt ?? (policy && feeCapSats !== undefined ? policy.expires_at : now() + POLICY);
      if (expires_at <= now()) throw new WalletError('refused', 'the policy would have expired already');
      return issue({ ...fee_cap, expires_at });
    },

    async companionJoin({ advert }) {
      const { cohort, terms } = advert;
      const { policy } = owner();
      if (!policy) throw new WalletError('refused', 'the companion has no policy yet: give it one first');
      if (terms.btc_network !== network)
        throw new WalletError('refused', `the advert is for ${terms.btc_network}, this wallet for ${network}`);
      if (actor.state().cohorts.get(cohort)?.phase.name === 'ready')
        throw new WalletError('refused', `this wallet is in cohort ${cohort} already`);
      if (terms.privacy === 'blinded')
        throw new WalletError('refused', 'a blinded cohort is for the wallet itself: it alone can make its leaves');
      if (terms.policy.type !== 'keypath')
        throw new WalletError(
          'refused',
          'a cohort with a fallback is for the wallet itself: there others can sign without it',
        );
      if (terms.fee_cap > policy.fee_cap)
        throw new WalletError(
          'refused',
          `the advert allows ${terms.fee_cap} sat a signal, the policy ${policy.fee_cap}: rounds would be vetoed`,
        );
      const others = policy.adverts.filter(event => advertsOf({ adverts: [event] })[0]?.cohort !== cohort);
      await issue({ adverts: [...others, { ...advert.event }] });
      const at = await answer(state => {
        const membership = state.cohorts.get(cohort);
        const told = asOwner(state)?.told?.cohorts.find(view => view.cohort === cohort);
        if (told?.text) return { pk: null, text: told.text };
        const isSeated = membership && membership.phase.name !== 'asked';
        return isSeated ? { pk: membership.participant_pk, text: '' } : undefined;
      }, 'the opt-in of the companion');
      if (at.pk === null) throw new WalletError('refused', at.text);
      return { cohort, participant_pk: at.pk };
    },

    async companionWithdraw({ did, announcement: named }) {
      const own = didOf(did);
      const isLocked = own.updates.filter(update => update.state === 'locked');
      const announcement = named ?? isLocked.at(-1)?.announcement;
      if (announcement === undefined) throw new WalletError('refused', `no update of ${did} is with the companion`);
      connecting.start();
      refusedBy(await actor.feed({ type: 'companion_withdraw', did, announcement }));
      const stateNow = () => didOf(did).updates.find(update => update.announcement === announcement)!.state;
      const what = 'the request to give the update back';
      await answered(`withdraw ${announcement}`, what, () => stateNow() === 'replaced');
      return { did, announcement, state: stateNow() };
    },

    async companionRevoke() {
      const { companion, policy } = owner();
      if (policy?.revoked) {
        // Said before, and not answered then.
        connecting.start();
        await answered(`policy ${policy.version}`, 'the policy');
        return { companion };
      }
      // The end needs no cap, but a policy has one.
      await issue({ fee_cap: 0, expires_at: now(), ...policy, revoked: true, dids: [], adverts: [] });
      return { companion };
    },

    async companionLost() {
      const { companion } = owner();
      const seats = () =>
        [...actor.state().cohorts.values()].filter(
          ({ phase, companion: speaksFor }) => phase.name === 'restored' && speaksFor === undefined,
        );
      const before = new Set(seats().map(({ cohort }) => cohort));
      refusedBy(await actor.feed({ type: 'companion_lost', reason: 'given up by its owner' }));
      await connecting.reachRelays();
      return { companion, cohorts: seats().flatMap(({ cohort }) => (before.has(cohort) ? [] : [cohort])) };
    },
  };
}

function drawSecret(random: (length: number) => Bytes): Bytes {
  let secret = random(32);
  while (!curve.isSecretKey(secret)) secret = random(32);
  return secret;
}
