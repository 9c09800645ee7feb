import { curve } from '#curve';
import { type Bytes, toHex } from '../crypto/index.ts';
import { rebindStatement } from '../messages/index.ts';
import type { KeyStore } from '../shell/keystore-types.ts';
import type { Actor } from './actor.ts';
import { WalletError } from './api.ts';
import type { Membership } from './core.ts';

export interface RebindingParts {
  actor: Pick<Actor, 'state' | 'feed'>;
  keys: KeyStore;
  random: (length: number) => Bytes;
  /** Unix seconds. */
  now: () => number;
}

/**
 * Draws a new transport key for a membership and asks the aggregator to take it, signed by the cohort key; one that was
 * asked for before and has no answer yet is kept. Returns its x-only form. Throws WalletError `refused` where the cohort
 * key is gone too: nothing else can prove the seat.
 */
export async function askRebind({ actor, keys, random, now }: RebindingParts, member: Membership): Promise<string> {
  const { cohort, participant_pk, rebinding, rebind_counter } = member;
  if (rebinding && rebinding.refused === null && keys.has(rebinding.transport)) return rebinding.transport;
  if (!keys.has(participant_pk))
    throw new WalletError('refused', `the cohort key ${participant_pk} is not in this wallet: nothing else can rebind`);
  const transport_key = keys.create('transport').slice(2);
  // The clock as well, so that a wallet restored from a copy is not behind the counter that it used before.
  const counter = Math.max(now(), rebind_counter + 1, (rebinding?.counter ?? 0) + 1);
  const statement = rebindStatement({ cohort, participant_pk, transport_key, counter });
  const sign = (secret: Bytes): Bytes => curve.signSchnorr(statement, secret, random(32));
  const sig = toHex(keys.lend(participant_pk, sign, 'statement'));
  const refused = await actor.feed({ type: 'rebind', cohort, transport: transport_key, counter, sig });
  if (refused !== null) throw new WalletError('refused', refused);
  return transport_key;
}

/** What became of a new transport key; undefined while nobody has answered. */
export function rebindOutcome(member: Membership, transport: string): { refused: string | null } | undefined {
  if (member.transport === transport) return { refused: null };
  return member.rebinding?.refused ? { refused: member.rebinding.refused } : undefined;
}
