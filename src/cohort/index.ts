export { decide } from './decide.ts';
export type { CohortEvent, Stored } from './events.ts';
export { aggregateOf, signalHistory } from './evidence.ts';
export { evolve } from './evolve.ts';
export type { AdmissionPolicy, ChainTx, ChainView, ControlResult, Decision, Effect, Env, Input } from './inputs.ts';
export { listingDids, listsBeacon } from './listing.ts';
export { draftRecovery } from './recovery.ts';
export { roundBlocker, usableOutpoint } from './rounds.ts';
export type {
  Beacon,
  CohortState,
  Phase,
  Round,
  Seat,
  Session,
  Signal,
  SignedSpend,
  Stage,
  Successor,
} from './state.ts';
export { keysAwaited, movableOutputs, successionStage } from './succession.ts';
export { type HashedTree, hashJob, type PreparedTree, type TreeJob, type Trees } from './trees.ts';
export { announceable } from './updates.ts';
