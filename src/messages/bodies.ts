import type { z } from 'zod';
import { ack, rejection } from './answers.ts';
import { authorizeBeaconSignalRequest } from './authorize.ts';
import { cohortReady, cohortSet, cohortSetAck } from './cohort-set.ts';
import {
  companionPair,
  companionPolicyMessage,
  companionSigned,
  companionState,
  companionSync,
  companionWithdraw,
} from './companion.ts';
import { companionEnd } from './companion-end.ts';
import { companionKept } from './companion-kept.ts';
import { didRegistration } from './did-registration.ts';
import { didUpdate } from './did-update.ts';
import { fallbackAuthorizationRequest, fallbackSignature } from './fallback.ts';
import { leave, rebind } from './membership.ts';
import { aggregatedNonce, nonce, nonceLost, signalAuthorization, veto } from './nonce.ts';
import { updateOpportunity, updateResponse } from './opportunity.ts';
import { optIn } from './opt-in.ts';
import { presence } from './presence.ts';
import { proofRequest, proofs } from './proofs.ts';
import { refundRequest } from './refund-request.ts';
import { roundAborted } from './round-aborted.ts';
import { signalStatus } from './signal-status.ts';
import { authorizeSpendRequest, spendStatus } from './spend.ts';
import { cohortStatus, keyDeleted } from './succession.ts';

/**
 * Every directed message by its type. Who may send it is said beside: P a participant, A the aggregator, O the owner of a
 * companion, C the companion, which is a participant to the aggregator and answers its owner in the aggregator's place.
 */
export const BODIES = {
  opt_in: optIn, // P
  cohort_set: cohortSet, // A
  cohort_set_ack: cohortSetAck, // P
  cohort_ready: cohortReady, // A
  did_registration: didRegistration, // P
  did_update: didUpdate, // P
  update_opportunity: updateOpportunity, // A
  update_response: updateResponse, // P
  presence, // A
  presence_ack: presence, // P
  authorize_beacon_signal_request: authorizeBeaconSignalRequest, // A
  nonce, // P
  veto, // P
  nonce_lost: nonceLost, // P
  aggregated_nonce: aggregatedNonce, // A
  signal_authorization: signalAuthorization, // P
  fallback_authorization_request: fallbackAuthorizationRequest, // A
  fallback_signature: fallbackSignature, // P
  signal_status: signalStatus, // A
  authorize_spend_request: authorizeSpendRequest, // A
  spend_status: spendStatus, // A
  round_aborted: roundAborted, // A
  proof_request: proofRequest, // P
  proofs, // A
  rebind, // P
  leave, // P
  key_deleted: keyDeleted, // P
  cohort_status: cohortStatus, // A
  ack, // A
  rejection, // A
  companion_pair: companionPair, // O
  companion_policy: companionPolicyMessage, // O
  companion_withdraw: companionWithdraw, // O
  companion_sync: companionSync, // O
  companion_state: companionState, // C
  companion_signed: companionSigned, // C
  companion_kept: companionKept, // C
  companion_end: companionEnd, // O
  refund_request: refundRequest, // P
} as const;

export type MessageType = keyof typeof BODIES;
export type Body<T extends MessageType> = z.infer<(typeof BODIES)[T]>;
/** A message without its envelope: type and body. */
export type Message = { [T in MessageType]: { type: T; body: Body<T> } }[MessageType];

export const isMessageType = (type: string): type is MessageType => Object.hasOwn(BODIES, type);
