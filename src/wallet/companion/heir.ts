import { curve } from '#curve';
import { type Bytes, fromHex, isHex } from '../../crypto/index.ts';
import { type CompanionState, rebindStatement, xOnlyOf } from '../../messages/index.ts';
import { readAdvert } from '../../nostr/advert.ts';
import type { WalletEvent } from '../events.ts';
import type { Decided, Decision, Effect, Input } from '../inputs.ts';
import { beaconOf, type Membership, provenBeaconOf, type WalletState } from '../state.ts';
import { asCompanion, asOwner, type Companion, heirOf, type Owner } from './pair.ts';

/**
 * A companion that dies takes its transport key along, and with it the proofs of what it signed while its owner slept: an
 * aggregator gives them to the member alone. So a `rebind` to a key of the owner's is signed while all is well, with the
 * highest counter that there is: from its use on the companion is shut out.
 */
export const HEIR_COUNTER = 0xffff_ffff;

const heirStatement = ({ cohort, participant_pk }: Pick<Membership, 'cohort' | 'participant_pk'>, key: string): Bytes =>
  rebindStatement({ cohort, participant_pk, transport_key: key, counter: HEIR_COUNTER });

/** Heirs that wait for the cohort key's word. */
export function heirJobs(
  state: WalletState,
): { type: 'sign_heir'; cohort: string; participant_pk: string; statement: Bytes }[] {
  return [...(asCompanion(state)?.heirs ?? [])].flatMap(([cohort, { transport_key, sig }]) => {
    const membership = state.cohorts.get(cohort);
    if (sig !== null || !membership || !beaconOf(membership)) return [];
    const { participant_pk } = membership;
    return [{ type: 'sign_heir', cohort, participant_pk, statement: heirStatement(membership, transport_key) }];
  });
}

/** What a companion notes of the keys that its owner names. */
export const namedHeirs = (
  { heirs }: Companion,
  sessions: readonly { cohort: string; heir_key?: string | undefined }[],
): WalletEvent[] =>
  sessions.flatMap(({ cohort, heir_key }): WalletEvent[] =>
    heir_key === undefined || heirs.get(cohort)?.transport_key === heir_key
      ? []
      : [{ type: 'companion_heir_named', cohort, transport_key: heir_key }],
  );

export function decideHeirSigned(
  state: WalletState,
  { cohort, sig }: Extract<Input, { type: 'companion_heir_signed' }>,
): Decision {
  const heir = asCompanion(state)?.heirs.get(cohort);
  const membership = state.cohorts.get(cohort);
  if (!heir || !membership || heir.sig !== null) return { drop: 'no heir waits for a signature' };
  return isHeirSig(membership, heir.transport_key, sig)
    ? { events: [{ type: 'companion_heir_signed', cohort, sig }], effects: [] }
    : { drop: 'not a signature for the heir' };
}

const isHeirSig = (membership: Membership, transport_key: string, sig: string): boolean =>
  isHex(sig, 64) &&
  curve.verifySchnorr(
    heirStatement(membership, transport_key),
    fromHex(xOnlyOf(membership.participant_pk)),
    fromHex(sig),
  );

/** What the owner is told of its heir key, once the cohort key signed for it. */
export function heirView({ heirs }: Companion, cohort: string): CompanionState['cohorts'][number]['heir'] {
  const heir = heirs.get(cohort);
  return heir?.sig ? { transport_key: heir.transport_key, counter: HEIR_COUNTER, sig: heir.sig } : undefined;
}

/** An owner keeps a key for a cohort of its companion, for good. */
export function decideHeir(
  state: WalletState,
  { cohort, transport_key }: Extract<Input, { type: 'companion_heir' }>,
): Decision {
  const owner = asOwner(state);
  if (!owner || owner.heirs.has(cohort)) return { drop: 'no heir is wanted there' };
  return { events: [{ type: 'companion_heir_kept', cohort, transport_key }], effects: [] };
}

/** The owner takes over the seats of a lost companion for which it holds the cohort key's word: to fetch proofs, not to sign. */
export function inherit(state: WalletState, owner: Owner): Decided {
  const events: WalletEvent[] = [];
  const effects: Effect[] = [];
  for (const membership of state.cohorts.values()) {
    const { cohort, companion, participant_pk, terms } = membership;
    const transport = owner.heirs.get(cohort);
    const heir = heirOf(owner, cohort);
    if (companion !== owner.companion || !provenBeaconOf(membership) || !transport || !heir) continue;
    const { transport_key, counter, sig } = heir;
    if (transport_key !== transport || counter !== HEIR_COUNTER || !isHeirSig(membership, transport, sig)) continue;
    const advert = readAdvert(membership.advert_event);
    events.push({ type: 'companion_inherited', cohort, relays: advert.ok ? advert.advert.relays : membership.relays });
    events.push({ type: 'rebind_asked', cohort, transport, counter });
    const body = { participant_pk, transport_key, counter, sig };
    effects.push({
      type: 'send',
      cohort,
      from: transport,
      to: terms.transport_key,
      message: { type: 'rebind', body },
      slot: 'rebind',
    });
  }
  return { events, effects };
}
