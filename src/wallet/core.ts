export { checkRequest, holdsEvidence, isCommitted, openSessions, type VetoCode } from './check.ts';
export { decide } from './decide.ts';
export type { Stored, WalletEvent } from './events.ts';
export { evolve } from './evolve.ts';
export type { Decision, Effect, Env, Input, JoinInput } from './inputs.ts';
export { type Job, jobsOf } from './jobs.ts';
export { treeNonce } from './opportunity.ts';
export { createNonceJar, type NonceJar } from './signer.ts';
export * from './state.ts';
