import type { Network } from '../../bitcoin/network.ts';
import { toHex } from '../../crypto/index.ts';
import { type DidDocument, decodeDid, didOfGenesis } from '../../did/index.ts';
import type { Envelope, Message, RejectionCode } from '../../messages/index.ts';
import type { Decision, Env } from '../inputs.ts';
import { beaconOf, type MemberBeacon, type Membership, provenBeaconOf, type WalletState } from '../state.ts';
import { isEnding } from './ending.ts';
import { type Companion, policyBar } from './pair.ts';
import { refuse, toOwner } from './replies.ts';
import { evidenceAbout } from './report.ts';

/** The cohort that the owner speaks of, or why nothing of it can be done. */
export function placeOf(
  state: WalletState,
  companion: Companion,
  { cohort, body }: Extract<Envelope, { type: 'did_registration' | 'did_update' }>,
  { now }: Env,
): { membership: Membership; beacon: MemberBeacon } | { code: RejectionCode; text: string; field: string } {
  const bar = policyBar(state, cohort, now);
  if (bar) return { code: 'not_admitted', text: bar, field: 'cohort' };
  if (isEnding(companion, cohort))
    return { code: 'wrong_phase', text: 'the owner has the key of this cohort deleted', field: 'cohort' };
  const membership = state.cohorts.get(cohort);
  const beacon = membership && beaconOf(membership);
  if (!beacon) return { code: 'wrong_phase', text: 'the cohort is not ready', field: 'cohort' };
  if (body.beacon_address !== beacon.beacon_address)
    return {
      code: 'wrong_address',
      text: `this cohort's beacon is ${beacon.beacon_address}`,
      field: 'body.beacon_address',
    };
  if (body.participant_pk !== membership.participant_pk)
    return { code: 'wrong_member', text: 'the companion is another member', field: 'body.participant_pk' };
  if (!companion.policy!.dids.includes(body.did))
    return { code: 'not_admitted', text: `the policy does not name ${body.did}`, field: 'body.did' };
  return { membership, beacon };
}

/** The proof of control is the owner's; the seat is the companion's: it goes on as it came. */
export function decideRegistration(
  state: WalletState,
  companion: Companion,
  envelope: Extract<Envelope, { type: 'did_registration' }>,
  env: Env,
): Decision {
  const { body, cohort, id } = envelope;
  const place = placeOf(state, companion, envelope, env);
  if ('code' in place) return refuse(companion, envelope, place.code, place.text, place.field);
  const { did, proof, sidecar } = body;
  if (!proof || !sidecar)
    return refuse(companion, envelope, 'control_not_proven', 'proof and sidecar are due', 'body.proof');
  const { terms } = place.membership;
  const subject = subjectOf(did, sidecar, terms.btc_network);
  if (!subject) return refuse(companion, envelope, 'invalid_did', 'the sidecar does not make this DID', 'body.sidecar');
  const names = addressesIn({ did, sidecar });
  const own = state.dids.get(did);
  const { network, public_key, genesis } = subject;
  return {
    events: [
      own
        ? { type: 'companion_named', did, names }
        : { type: 'did_created', did, name: null, network, public_key, genesis, names },
      { type: 'registration_asked', cohort, did },
      { type: 'companion_ordered', order: registrationOrder(cohort, did), envelope_id: id },
    ],
    effects: [{ type: 'send', cohort, message: { type: 'did_registration', body }, slot: `register ${did}` }],
  };
}

/** By what the owner's question is remembered until an aggregator has answered. */
export const registrationOrder = (cohort: string, did: string): string => `${cohort} register ${did}`;

/** What a companion keeps of a DID whose key it does not have; null where the sidecar is of another DID. */
function subjectOf(did: string, sidecar: Record<string, unknown>, network: Network) {
  try {
    const parts = decodeDid(did);
    if (parts.network !== network) return null;
    if (parts.kind === 'key') return { network, public_key: toHex(parts.genesisBytes), genesis: null };
    const genesis = sidecar.genesisDocument as DidDocument;
    return didOfGenesis(genesis, network) === did ? { network, public_key: '', genesis } : null;
  } catch {
    return null;
  }
}

/**
 * Every beacon address that documents or updates mention anywhere: rather one too many than one too few, since of a DID
 * that may name a beacon no signal goes without its proof.
 */
export const addressesIn = (value: object): string[] => [
  ...new Set(
    [...JSON.stringify(value).matchAll(/bitcoin:([A-Za-z0-9]{14,100})/g)].map(([, address]) =>
      /^(?:bc|tb|bcrt)1/i.test(address!) ? address!.toLowerCase() : address!,
    ),
  ),
];

/** What the companion holds of one DID: the owner asks for what it lost. */
export function decideQuestion(
  state: WalletState,
  companion: Companion,
  envelope: Extract<Envelope, { type: 'proof_request' }>,
): Decision {
  const { cohort, body, id } = envelope;
  const membership = state.cohorts.get(cohort);
  const beacon = membership && provenBeaconOf(membership);
  if (!beacon || !state.dids.has(body.did))
    return refuse(
      companion,
      envelope,
      'did_not_registered',
      'the companion knows nothing of this DID there',
      'body.did',
    );
  const { beacon_address } = beacon;
  const signals = evidenceAbout(beacon, body.did);
  const answer: Message = { type: 'proofs', body: { beacon_address, did: body.did, signals } };
  return { events: [], effects: [toOwner(companion, cohort, answer, id)] };
}
