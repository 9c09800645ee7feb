import type { ByHandApi, CompanionApi, PublishApi, RestoreApi, SavedApi, SingletonApi, WalletApi } from '../api.ts';
import type { RefundApi } from '../refund-api.ts';
import type { SuccessionApi } from '../succession-api.ts';

type Api = WalletApi &
  SingletonApi &
  ByHandApi &
  RestoreApi &
  PublishApi &
  SavedApi &
  SuccessionApi &
  CompanionApi &
  RefundApi;

type Asked<F> = F extends (...parameters: infer P) => infer R ? (...parameters: P) => Promise<Awaited<R>> : never;

/** A wallet as the commands see it, whether it is open in this process or behind another one's socket. */
export type WalletPort = {
  [Method in keyof Api]: Asked<Api[Method]>;
};

/** The port of a wallet that is open in this process. */
export const localPort = (wallet: Api): WalletPort => ({
  discover: query => wallet.discover(query),
  join: request => wallet.join(request),
  ready: cohort => wallet.ready(cohort),
  leave: (cohort, options) => (options ? wallet.leave(cohort, options) : wallet.leave(cohort)),
  succession: request => wallet.succession(request),
  exit: request => wallet.exit(request),
  refunds: request => wallet.refunds(request),
  rebind: cohort => wallet.rebind(cohort),
  release: request => wallet.release(request),
  createDid: request => wallet.createDid(request),
  register: request => wallet.register(request),
  update: request => wallet.update(request),
  announce: request => wallet.announce(request),
  fundingAddress: did => wallet.fundingAddress(did),
  publish: request => wallet.publish(request),
  recovery: async () => wallet.recovery(),
  restore: request => wallet.restore(request),
  sidecar: async did => wallet.sidecar(did),
  resolve: request => wallet.resolve(request),
  companionOpen: request => wallet.companionOpen(request),
  companionPair: request => wallet.companionPair(request),
  companionPolicy: request => wallet.companionPolicy(request),
  companionJoin: request => wallet.companionJoin(request),
  companionWithdraw: request => wallet.companionWithdraw(request),
  companionRevoke: () => wallet.companionRevoke(),
  companionLost: () => wallet.companionLost(),
  savedState: () => wallet.savedState(),
  saveState: request => wallet.saveState(request),
  forgetState: () => wallet.forgetState(),
  trustCopy: () => wallet.trustCopy(),
  status: async () => wallet.status(),
  compose: request => wallet.compose(request),
  composed: request => wallet.composed(request),
  deliver: request => wallet.deliver(request),
});
