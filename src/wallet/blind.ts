import type { Evidence } from '../beacon/index.ts';
import { fromHex, toHex } from '../crypto/index.ts';
import type { Envelope, Message, SignalEvidence } from '../messages/index.ts';
import { leafIndex, type SmtProof, unblindProof, verifySmtProof } from '../smt/index.ts';
import type { Effect } from './inputs.ts';
import { type MemberBeacon, type Membership, provenBeaconOf, type WalletState } from './state.ts';

/**
 * A blinded cohort's wire knows indices and finished leaves; the wallet knows DIDs, updates and nonces. The one becomes
 * the other here, so that all checks are the same for both.
 */
const indexOf = (did: string): string => toHex(leafIndex(did));

/** What goes out: DIDs become indices, and nothing that would tell them goes along, unless a controller said so. */
export function blindEffect(state: WalletState, effect: Effect): Effect {
  if (effect.type !== 'send' || state.cohorts.get(effect.cohort)?.terms.privacy !== 'blinded') return effect;
  // A squatter's claim to an index falls only to a proof, and there is no proof without the DID.
  if (effect.discloses && effect.message.type === 'did_registration') return effect;
  return { ...effect, message: blindMessage(effect.message) };
}

function blindMessage(message: Message): Message {
  switch (message.type) {
    case 'did_registration': {
      const { beacon_address, participant_pk, did } = message.body;
      return { type: 'did_registration', body: { beacon_address, participant_pk, did: indexOf(did) } };
    }
    case 'proof_request':
      return { ...message, body: { ...message.body, did: indexOf(message.body.did) } };
    case 'update_response':
      return {
        ...message,
        body: {
          ...message.body,
          entries: message.body.entries.map(entry => ({ ...entry, did: indexOf(entry.did) })),
        },
      };
    case 'did_update':
      throw new Error('an update of a blinded cohort never leaves the wallet');
    default:
      return message;
  }
}

/** What comes in: indices of the wallet's own DIDs become DIDs, and proofs get their nonces and updates back. */
export function unblindEnvelope(
  state: WalletState,
  membership: Membership,
  envelope: Envelope,
  recalled: Readonly<Record<string, string>> = {},
): Envelope {
  if (membership.terms.privacy !== 'blinded') return envelope;
  const beacon = provenBeaconOf(membership);
  const names = new Map([...state.dids.keys()].map(did => [indexOf(did), did]));
  const nameOf = (index: string): string => names.get(index) ?? index;
  const unblind = (evidence: Evidence, opportunityId: string | undefined): Evidence =>
    unblindEvidence(evidence, nameOf, beacon, opportunityId, (did, proof) =>
      recalledProof(state, membership, did, proof, recalled[nonceName(did, opportunityId ?? '')]),
    );
  const all = (signals: SignalEvidence[]): SignalEvidence[] =>
    signals.map(signal => ({ ...signal, evidence: unblind(signal.evidence, signal.opportunity_id) }));
  switch (envelope.type) {
    case 'authorize_beacon_signal_request': {
      const { evidence, opportunity_id } = envelope.body;
      return { ...envelope, body: { ...envelope.body, evidence: unblind(evidence, opportunity_id) } };
    }
    case 'proofs': {
      const { did, signals } = envelope.body;
      return { ...envelope, body: { ...envelope.body, did: nameOf(did), signals: all(signals) } };
    }
    case 'rejection': {
      const { body } = envelope;
      return body.field === undefined ? envelope : { ...envelope, body: { ...body, field: nameOf(body.field) } };
    }
    case 'ack': {
      const { body } = envelope;
      return body.accepted === 'did_registration'
        ? { ...envelope, body: { ...body, did: nameOf(body.did), signals: all(body.signals) } }
        : envelope;
    }
    default:
      return envelope;
  }
}

function unblindEvidence(
  evidence: Evidence,
  nameOf: (index: string) => string,
  beacon: MemberBeacon | null,
  opportunityId: string | undefined,
  recall: (did: string, proof: SmtProof) => SmtProof,
): Evidence {
  if ('map' in evidence) return evidence;
  const answered = opportunityId === undefined ? null : beacon?.opportunities.get(opportunityId)?.entries;
  const entries = new Map(answered?.map(entry => [entry.did, entry]));
  return {
    proofs: Object.fromEntries(
      Object.entries(evidence.proofs).map(([index, proof]) => {
        const did = nameOf(index);
        const entry = entries.get(did);
        if (!entry) return [did, recall(did, proof)];
        const { nonce, announcement } = entry;
        return [
          did,
          unblindProof(proof, {
            ...(nonce === null ? {} : { nonce: fromHex(nonce, 32) }),
            ...(announcement === null ? {} : { announcement: fromHex(announcement, 32) }),
          }),
        ];
      }),
    ),
  };
}

/** The name of a tree nonce among those that were recalled. */
export const nonceName = (did: string, opportunityId: string): string => `${did} ${opportunityId}`;

/** Opportunities of blinded proofs in a message that this wallet has no answers to: their nonces have to be made again. */
export function forgottenOpportunities(membership: Membership, envelope: Envelope): string[] {
  if (membership.terms.privacy !== 'blinded' || envelope.type !== 'proofs') return [];
  const known = provenBeaconOf(membership)?.opportunities;
  return envelope.body.signals.flatMap(({ opportunity_id: id }) =>
    id === undefined || known?.get(id)?.entries ? [] : [id],
  );
}

/**
 * A wallet that lost its answers does not know what its leaf held: an update, or none. The proof verifies with one of
 * them only, so each of its updates is tried. It stays as it came where none fits, as for an empty index.
 */
function recalledProof(
  state: WalletState,
  { terms }: Membership,
  did: string,
  proof: SmtProof,
  recalled: string | undefined,
): SmtProof {
  const own = state.dids.get(did);
  if (recalled === undefined || !own) return proof;
  const nonce = fromHex(recalled, 32);
  const index = leafIndex(did);
  const whole = [
    unblindProof(proof, { nonce }),
    ...own.updates.map(({ announcement }) => unblindProof(proof, { nonce, announcement: fromHex(announcement, 32) })),
  ];
  return whole.find(candidate => verifySmtProof(index, candidate, terms.bit_order)) ?? proof;
}
