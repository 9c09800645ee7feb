import { signedTogether } from '../bitcoin/index.ts';
import { TRANSCRIPT_TYPE, type Transcript } from '../blame/index.ts';
import type { ChainView, Env } from './inputs.ts';
import type { Beacon, CohortState, EnvelopeOf, Session } from './state.ts';

interface Where {
  state: CohortState;
  beacon: Beacon;
  session: Session;
  member: string;
  env: Env;
}

/**
 * What a member said in a session, with all that it takes to judge it offline: the proofs that its transport keys are
 * its own, and what the session id is the hash of. Without a view of the chain the transaction that paid the outpoint
 * is left out, and `completed` puts it in later.
 */
export function transcriptOf(
  { state, beacon, session, member, env }: Where,
  {
    reason,
    envelopes,
  }: { reason: string; envelopes: EnvelopeOf<'nonce' | 'signal_authorization' | 'fallback_signature'>[] },
): Transcript {
  const { terms, terms_hash, identity } = state.advert;
  const { txid, vout } = session.outpoint;
  const keys = new Set(envelopes.map(envelope => envelope.from));
  return {
    type: TRANSCRIPT_TYPE,
    v: 1,
    reason,
    participant_pk: member,
    advert: { aggregator: identity, network: terms.btc_network, terms_hash },
    seats: state.seats.get(member)!.proofs.filter(proof => keys.has(proof.transport_key)),
    session: {
      cohort: state.id,
      round: session.round,
      attempt: session.attempt,
      outpoint: { txid, vout },
      transactions: signedTogether(session).map(({ unsigned_hex }) => unsigned_hex),
      ...(session.fallback ? { fallback: session.fallback.steps.map(step => step.unsigned_hex) } : {}),
      ...(beacon.policy.type === 'fallback' ? { policy: beacon.policy } : {}),
      participant_pubkeys: beacon.participant_pubkeys,
      signal_bytes: session.signal_bytes,
      funding: fundingOf(txid, env.chain),
    },
    envelopes,
  };
}

const fundingOf = (txid: string, chain: ChainView | null): string | null =>
  chain?.history.find(tx => tx.txid === txid)?.hex ?? null;

/** The transcript with the transaction that paid the outpoint, now that the chain shows it. */
export function completed(transcript: Transcript, chain: ChainView | null): Transcript {
  const { session } = transcript;
  if (!session || session.funding !== null) return transcript;
  return { ...transcript, session: { ...session, funding: fundingOf(session.outpoint.txid, chain) } };
}
