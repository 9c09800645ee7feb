import type { Network } from '../../bitcoin/network.ts';
import type { CompanionKept, CompanionPolicy, CompanionState } from '../../messages/index.ts';
import { type Advert, readAdvert } from '../../nostr/advert.ts';
import type { Membership, SessionFacts, WalletState } from '../state.ts';

/**
 * A companion is a wallet that is always on: it holds cohort keys, and no key of any DID. Its owner, such as a phone, holds
 * the keys of the DIDs, and no cohort key. Each of the two knows one other, by the keys that they were paired with.
 */
export type Companionship = Companion | Owner;

/** What a companion knows of itself and its owner. */
export interface Companion {
  role: 'companion';
  /** x-only, of the channel to the owner. */
  key: string;
  network: Network;
  /** x-only one-time key of the pairing string, whose secret the owner was shown. */
  pairing: string;
  /** From then on (Unix seconds) nobody can pair by that string. */
  expires_at: number;
  relays: string[];
  /** x-only; null before somebody paired. There is never a second one. */
  owner: string | null;
  policy: CompanionPolicy | null;
  /** The owner's signature on it. */
  sig: string | null;
  /** Envelopes of the owner that wait for what an aggregator says, by what they asked. */
  orders: Map<string, string>;
  /** Why a cohort could not be joined. */
  failed: Map<string, string>;
  /** Announcements of updates that are never signed for, and why. */
  released: Map<string, { did: string; text: string }>;
  /** Sessions that the owner knows of. */
  acknowledged: Set<string>;
  /** Transport keys of the owner's, by cohort, and the cohort key's word for them once it was given. */
  heirs: Map<string, { transport_key: string; sig: string | null }>;
  /** Cohorts that end, and whether the owner has the key deleted, by cohort. */
  endings: Map<string, { delete_key: boolean; abandon: boolean }>;
}

/** What an owner knows of its companion. */
export interface Owner {
  role: 'owner';
  /** x-only, of the channel to the companion. */
  key: string;
  /** x-only. */
  companion: string;
  pairing: string;
  relays: string[];
  /** revoked: it signs nothing any more, and is heard all the same, for what it signed before. */
  phase: 'asked' | 'paired' | 'revoked' | 'ended';
  /** Why it ended. */
  reason: string | null;
  /** The last one that was signed; the companion may not have it yet. */
  policy: CompanionPolicy | null;
  /** What the companion said last, and when (Unix seconds). */
  told: CompanionState | null;
  heard_at: number | null;
  /** The last request that it refused. */
  refusal: { slot: string; code: string; text: string } | null;
  /** Own transport keys, by cohort, for the seats of a companion that is lost. */
  heirs: Map<string, string>;
  /** Set for an owner that was put back from its words; null for one that paired itself. */
  restored: RestoredOwner | null;
}

/** The cohort key's word that the seat may go over to this transport key. */
export type Heir = NonNullable<CompanionState['cohorts'][number]['heir']>;

export interface RestoredOwner {
  /** Since when (Unix seconds). */
  at: number;
  /** What the record had of seats that could be taken over, by cohort. */
  heirs: Record<string, Heir>;
  /** Null before the companion has shown what it keeps. */
  kept: CompanionKept['dids'] | null;
}

export type CompanionEvent =
  | {
      type: 'companion_opened';
      key: string;
      network: Network;
      pairing: string;
      expires_at: number;
      relays: string[];
    }
  | { type: 'companion_owned'; owner: string }
  | { type: 'companion_policy_taken'; policy: CompanionPolicy; sig: string }
  | { type: 'companion_ordered'; order: string; envelope_id: string }
  | { type: 'companion_join_failed'; cohort: string; text: string }
  | { type: 'companion_released'; did: string; announcement: string; text: string }
  | { type: 'companion_acknowledged'; session_ids: string[] }
  | { type: 'companion_heir_named'; cohort: string; transport_key: string }
  | { type: 'companion_heir_signed'; cohort: string; sig: string }
  | { type: 'companion_ending'; cohort: string; delete_key: boolean; abandon: boolean }
  /** Addresses that the documents of the owner's DID name. */
  | { type: 'companion_named'; did: string; names: string[] }
  | { type: 'companion_asked'; key: string; companion: string; pairing: string; relays: string[] }
  | { type: 'companion_policy_issued'; policy: CompanionPolicy; sig: string }
  | { type: 'companion_told'; told: CompanionState }
  | { type: 'companion_refused'; slot: string; code: string; text: string }
  | { type: 'companion_heir_kept'; cohort: string; transport_key: string }
  | { type: 'companion_ended'; reason: string; revoked?: true }
  /** An owner was put back from its words. */
  | {
      type: 'companion_restored';
      key: string;
      companion: string;
      pairing: string;
      relays: string[];
      heirs: Record<string, Heir>;
    }
  /** The companion showed a policy that this wallet had signed, and what it keeps of it. */
  | { type: 'companion_kept'; policy: CompanionPolicy; dids: CompanionKept['dids'] }
  /** The seat of a lost companion is the owner's, without its key: it fetches proofs, and signs nothing. */
  | { type: 'companion_inherited'; cohort: string; relays: string[] };

/** Whoever answers for a cohort: its aggregator, or the companion that is the member there. */
export const peerOf = ({ companion, terms }: Pick<Membership, 'companion'> & { terms: { transport_key: string } }) =>
  companion ?? terms.transport_key;

/** Whether this wallet is a companion: then its owner says what it may do. */
export const asCompanion = ({ companionship }: WalletState): Companion | null =>
  companionship?.role === 'companion' ? companionship : null;

/** The companion of this wallet, unless it has none, or none any more. */
export const asOwner = (state: WalletState): Owner | null => {
  const owner = asHearing(state);
  return owner?.phase === 'revoked' ? null : owner;
};

/** The companion of this wallet that can be asked for what it signed: also one that was revoked since. */
export const asHearing = ({ companionship }: WalletState): Owner | null =>
  companionship?.role === 'owner' && companionship.phase !== 'ended' ? companionship : null;

/** What the owner holds of the seat of a cohort, should the companion be lost; undefined where it holds nothing. */
export const heirOf = ({ told, restored }: Owner, cohort: string): Heir | undefined =>
  told?.cohorts.find(view => view.cohort === cohort)?.heir ?? restored?.heirs[cohort];

/** The adverts of a policy; what is none is left out. */
export const advertsOf = ({ adverts }: Pick<CompanionPolicy, 'adverts'>): Advert[] =>
  adverts.flatMap(event => {
    const read = readAdvert(event);
    return read.ok ? [read.advert] : [];
  });

/** Why the owner of this companion would not have it act in a cohort, in words; null if it may, or is no companion. */
export function policyBar(state: WalletState, cohort: string, now: number): string | null {
  const companion = asCompanion(state);
  if (!companion) return null;
  const { policy } = companion;
  if (!policy) return 'this companion has no policy of its owner';
  if (policy.revoked) return 'the owner revoked this companion';
  if (now >= policy.expires_at) return 'the policy of the owner has expired';
  if (!advertsOf(policy).some(advert => advert.cohort === cohort))
    return 'the policy of the owner does not name this cohort';
  return null;
}

/** Why the owner would not have this signed, in words; null if it may be, or this is no companion. */
export function policyBarsSession(
  state: WalletState,
  session: { steps: readonly { fee_sats: number }[]; updates: SessionFacts['updates'] },
): string | null {
  const companion = asCompanion(state);
  if (!companion) return null;
  const { policy, released } = companion;
  if (!policy || policy.revoked) return 'this companion has no policy of its owner';
  const fee = Math.max(...session.steps.map(({ fee_sats }) => fee_sats));
  if (fee > policy.fee_cap) return `fee ${fee} sat exceeds the owner's cap of ${policy.fee_cap}`;
  for (const { did, announcement } of session.updates) {
    if (!policy.dids.includes(did)) return `the policy of the owner does not name ${did}`;
    if (released.has(announcement)) return `the update ${announcement} was given up for good`;
  }
  return null;
}

const newOwner = {
  role: 'owner' as const,
  phase: 'asked' as const,
  reason: null,
  policy: null,
  told: null,
  heard_at: null,
  refusal: null,
  heirs: new Map<string, string>(),
  restored: null,
};

/** The next state of a companion and of its owner. */
export function evolveCompanionship(state: WalletState, event: CompanionEvent & { at: number }): WalletState {
  switch (event.type) {
    case 'companion_opened': {
      const { type: _, at: __, ...opened } = event;
      return {
        ...state,
        companionship: {
          role: 'companion',
          ...opened,
          owner: null,
          policy: null,
          sig: null,
          orders: new Map(),
          failed: new Map(),
          released: new Map(),
          acknowledged: new Set(),
          heirs: new Map(),
          endings: new Map(),
        },
      };
    }
    case 'companion_asked': {
      const { type: _, at: __, ...asked } = event;
      return { ...state, companionship: { ...newOwner, ...asked } };
    }
    case 'companion_restored': {
      const { type: _, at, heirs: words, ...asked } = event;
      const heirs = new Map(Object.entries(words).map(([cohort, heir]) => [cohort, heir.transport_key]));
      const restored = { at, heirs: words, kept: null };
      return { ...state, companionship: { ...newOwner, ...asked, heirs, restored } };
    }
    case 'companion_inherited': {
      const { companion: _, phase, ...seat } = state.cohorts.get(event.cohort)!;
      const restored = phase.name === 'ready' ? { name: 'restored' as const, beacon: phase.beacon } : phase;
      state.cohorts.set(event.cohort, { ...seat, relays: event.relays, phase: restored });
      return state;
    }
    case 'companion_named': {
      const own = state.dids.get(event.did)!;
      state.dids.set(event.did, { ...own, named: new Set([...own.named, ...event.names]) });
      return state;
    }
    default: {
      const { companionship } = state;
      if (companionship?.role === 'companion')
        return { ...state, companionship: evolveCompanion(companionship, event) };
      if (companionship?.role === 'owner') return { ...state, companionship: evolveOwner(companionship, event) };
      throw new Error(`${event.type} in a wallet that is no part of a pair`);
    }
  }
}

function evolveCompanion(companion: Companion, event: CompanionEvent & { at: number }): Companion {
  const { orders, failed, released, acknowledged, heirs } = companion;
  switch (event.type) {
    case 'companion_owned':
      return { ...companion, owner: event.owner };
    case 'companion_policy_taken':
      // What could not be joined under the last policy is tried again under this one.
      return { ...companion, policy: event.policy, sig: event.sig, failed: new Map() };
    case 'companion_ordered':
      return { ...companion, orders: new Map([...orders, [event.order, event.envelope_id]]) };
    case 'companion_join_failed':
      return { ...companion, failed: new Map([...failed, [event.cohort, event.text]]) };
    case 'companion_released': {
      const { did, text } = event;
      return { ...companion, released: new Map([...released, [event.announcement, { did, text }]]) };
    }
    case 'companion_acknowledged':
      return { ...companion, acknowledged: new Set([...acknowledged, ...event.session_ids]) };
    case 'companion_heir_named':
      return {
        ...companion,
        heirs: new Map([...heirs, [event.cohort, { transport_key: event.transport_key, sig: null }]]),
      };
    case 'companion_ending': {
      const { cohort, delete_key, abandon } = event;
      return { ...companion, endings: new Map([...companion.endings, [cohort, { delete_key, abandon }]]) };
    }
    case 'companion_heir_signed': {
      const heir = heirs.get(event.cohort)!;
      return { ...companion, heirs: new Map([...heirs, [event.cohort, { ...heir, sig: event.sig }]]) };
    }
    default:
      throw new Error(`${event.type} in a companion`);
  }
}

function evolveOwner(owner: Owner, event: CompanionEvent & { at: number }): Owner {
  switch (event.type) {
    case 'companion_policy_issued':
      return { ...owner, policy: event.policy };
    case 'companion_told':
      return {
        ...owner,
        phase: owner.phase === 'asked' ? 'paired' : owner.phase,
        told: event.told,
        heard_at: event.at,
      };
    case 'companion_refused': {
      const { slot, code, text } = event;
      return { ...owner, refusal: { slot, code, text } };
    }
    case 'companion_heir_kept':
      return { ...owner, heirs: new Map([...owner.heirs, [event.cohort, event.transport_key]]) };
    case 'companion_ended':
      return { ...owner, phase: event.revoked ? 'revoked' : 'ended', reason: event.reason };
    case 'companion_kept': {
      const restored = owner.restored && { ...owner.restored, kept: event.dids };
      return { ...owner, policy: event.policy, phase: owner.phase === 'asked' ? 'paired' : owner.phase, restored };
    }
    default:
      throw new Error(`${event.type} in the owner of a companion`);
  }
}
