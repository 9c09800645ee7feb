export { type EsploraFacade, startEsplora } from './esplora.ts';
export { startTestKubo, type TestKubo } from './kubo.ts';
export { findNostrRsRelay, type RelayProcess, startNostrRsRelay } from './nostr-rs-relay.ts';
export { BitcoindNotFound, findBitcoind, type Regtest, type RegtestOptions, startRegtest } from './regtest.ts';
export { type RelayFaults, type RelayStats, startTestRelay, type TestRelay, type TestRelayOptions } from './relay.ts';
