export { type BitcoindOptions, bitcoindChain, type Chain, type EsploraOptions, esploraChain } from '../chain/index.ts';
export type { KeyKind, KeyStore } from '../shell/keystore.ts';
export { KeyFileError, KeyUnknown } from '../shell/keystore.ts';
export * from './api.ts';
export { openWallet, type WalletOptions } from './client.ts';
export type { WalletEvent, WalletState } from './core.ts';
export { createWallet, type Wallet, type WalletParts } from './sdk.ts';
