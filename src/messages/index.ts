export * from './answers.ts';
export type { AuthorizeBeaconSignalRequest } from './authorize.ts';
export * from './bodies.ts';
export type { CohortReady, CohortSet, CohortSetAck } from './cohort-set.ts';
export type {
  CompanionPair,
  CompanionPolicy,
  CompanionPolicyMessage,
  CompanionSigned,
  CompanionState,
  CompanionSync,
  CompanionWithdraw,
} from './companion.ts';
export type { CompanionEnd } from './companion-end.ts';
export type { CompanionKept } from './companion-kept.ts';
export type { DidRegistration } from './did-registration.ts';
export type { DidUpdate } from './did-update.ts';
export * from './envelope.ts';
export { type SignalEvidence, smtProof } from './evidence.ts';
export type { FallbackAuthorizationRequest, FallbackSignature } from './fallback.ts';
export { toPlainText } from './fields.ts';
export type { Leave, Rebind } from './membership.ts';
export type { AggregatedNonce, Nonce, NonceLost, SignalAuthorization, Veto } from './nonce.ts';
export type { OpportunityEntry, UpdateOpportunity, UpdateResponse } from './opportunity.ts';
export type { OptIn } from './opt-in.ts';
export { isPolicyFor, policyFor, policyProblem, type SetPolicy, type TermsPolicy } from './policy.ts';
export type { Presence } from './presence.ts';
export type { ProofRequest, Proofs } from './proofs.ts';
export type { RefundRequest } from './refund-request.ts';
export { ABORT_REASONS, type AbortReason, type RoundAborted } from './round-aborted.ts';
export { type SeatProof, seatProof } from './seat-proof.ts';
export type { SignalStatus } from './signal-status.ts';
export {
  type AuthorizeSpendRequest,
  NO_SIGNAL,
  SPEND_PURPOSES,
  type SpendPurpose,
  type SpendStatus,
} from './spend.ts';
export * from './statements.ts';
export { type CohortStatus, type KeyDeleted, SUCCESSION_STAGES, type SuccessionStage } from './succession.ts';
export { readTerms, type Scheme, type Terms, termsHash, termsSchema } from './terms.ts';
