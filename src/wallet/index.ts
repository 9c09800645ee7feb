export { type BitcoindOptions, bitcoindChain, type Chain, type EsploraOptions, esploraChain } from '../chain/index.ts';
export type { CohortKeyUse, KeyKind, KeyStore, SeedKeyStore, SeedKind } from '../shell/keystore.ts';
export { KeyFileError, KeyUnknown, KeyUseRefused } from '../shell/keystore.ts';
export * from './api.ts';
export { changePassphrase, openWallet, type WalletOptions } from './client.ts';
export type { WalletEvent, WalletState } from './core.ts';
export { createWallet, type Wallet, type WalletParts } from './sdk.ts';
export { deriveSecret, isMnemonic, newMnemonic, restoreKeys, rootOfMnemonic } from './seed.ts';
