import type { CohortState } from '../../src/cohort/index.ts';
import type { Envelope } from '../../src/messages/index.ts';
import type { SeenSession } from './oracle.ts';
import { isSignature, multisigLeaf, sighashOf, signalOf, unsignedOf } from './tapscript.ts';

type Of<T extends Envelope['type']> = Extract<Envelope, { type: T }>;

/** What the oracle knows besides. */
export interface Known {
  now(): number;
  session(id: string): SeenSession | undefined;
  cohort(id: string): CohortState | undefined;
  /** Transport keys that sent nonces for a session: whoever did holds its proofs. */
  nonces(session: string): ReadonlySet<string> | undefined;
  violate(text: string): void;
  blame(name: string, text: string): void;
  /** A transaction of the session may appear from now on. */
  onSignable(id: string, session: SeenSession): void;
}

/** Looks at the script path: what is asked for, and every signature in a leaf. */
export interface LeafOracle {
  onAggregatedNonce(envelope: Of<'aggregated_nonce'>): void;
  onRequest(envelope: Of<'fallback_authorization_request'>): void;
  onSignature(name: string, envelope: Of<'fallback_signature'>): void;
  count(): number;
}

export const membersOf = (state: CohortState | undefined): readonly string[] =>
  state?.phase.name === 'formed' ? state.phase.beacon.participant_pubkeys : [];

/** Whether others than all members together can finish a session of this cohort. */
export const hasFallback = (state: CohortState | undefined): boolean => state?.advert.terms.policy.type === 'fallback';

export function createLeafOracle({ now, session, cohort, nonces, violate, blame, onSignable }: Known): LeafOracle {
  /** When the aggregated nonce of each session went out first. */
  const began = new Map<string, number>();
  /** What was asked for, by txid. */
  const asked = new Map<string, { session: string; hex: string }>();
  const requests = new Map<string, string>();
  const signatures = new Map<string, string>();
  let count = 0;

  const isProven = (id: string, envelope: Envelope): boolean =>
    (nonces(id)?.size ?? 0) >= Math.max(1, membersOf(cohort(envelope.cohort)).length);

  /** The outpoint and the bytes of the session, and no others. */
  function isOfSession(hex: string, { outpoint, signal_bytes }: SeenSession): boolean {
    const said = signalOf(hex);
    return said.outpoint === outpoint && said.bytes === signal_bytes;
  }

  return {
    onAggregatedNonce({ body }) {
      if (!began.has(body.session_id)) began.set(body.session_id, now());
    },

    onRequest(envelope) {
      const { session_id: id, pending_beacon_signal } = envelope.body;
      const seen = session(id);
      const state = cohort(envelope.cohort);
      if (!seen || !state) {
        violate(`a fallback of session ${id} is asked for, and the session was never stored`);
        return;
      }
      if (!isProven(id, envelope))
        violate(`a fallback of session ${id} is asked for before every member acknowledged its proofs`);
      if (now() < (began.get(id) ?? Number.POSITIVE_INFINITY) + state.advert.terms.latency.signature)
        violate(`a fallback of session ${id} is asked for before the key path had its time`);
      const steps = pending_beacon_signal.map(unsignedOf);
      const text = steps.map(({ txid }) => txid).join();
      if ((requests.get(id) ?? text) !== text) violate(`two fallbacks of session ${id} are asked for`);
      requests.set(id, text);
      for (const { hex, txid } of steps) {
        if (!isOfSession(hex, seen)) violate(`a fallback of session ${id} is for another outpoint or for other bytes`);
        asked.set(txid, { session: id, hex });
      }
    },

    onSignature(name, envelope) {
      const { from, body } = envelope;
      const { session_id: id, txids, sig } = body;
      const seen = session(id);
      const state = cohort(envelope.cohort);
      count++;
      if (!seen || state?.phase.name !== 'formed') {
        blame(name, `${name} signed a fallback of session ${id}, which no aggregator asked for`);
        return;
      }
      if (!isProven(id, envelope))
        blame(name, `${name} signed a fallback of session ${id} before every member acknowledged its proofs`);
      const text = JSON.stringify([txids, sig]);
      const before = signatures.get(`${from} ${id}`);
      if (before !== undefined && before !== text)
        blame(name, `${name} signed two fallbacks of session ${id}, or one twice, differently`);
      signatures.set(`${from} ${id}`, text);
      const { participant_pubkeys, script_hex } = state.phase.beacon;
      const member = state.transports.get(from) ?? '';
      const leaf = multisigLeaf(participant_pubkeys, participant_pubkeys.length - 1);
      for (const [i, txid] of txids.entries()) {
        const request = asked.get(txid);
        if (request?.session !== id || !isOfSession(request.hex, seen)) {
          blame(name, `${name} signed ${txid} in a leaf, which is no fallback of session ${id}`);
          continue;
        }
        const message = sighashOf(request.hex, { script_hex, value_sats: seen.value_sats }, leaf);
        const [key, signature] = [member.slice(2), sig[i]!].map(hex => Uint8Array.from(Buffer.from(hex, 'hex')));
        if (!isSignature(message, key!, signature!)) blame(name, `${name} sent a signature of ${txid} that is none`);
      }
      seen.signers.add(from);
      onSignable(id, seen);
    },

    count: () => count,
  };
}
