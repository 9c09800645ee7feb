export { type BitcoindOptions, bitcoindChain } from './bitcoind.ts';
export { ChainError, type ChainErrorCode, ChainUnreachable } from './errors.ts';
export { type EsploraOptions, esploraChain } from './esplora.ts';
export { networkOf, requireNetwork } from './network.ts';
export type { RpcAuth } from './rpc.ts';
export type { AddressTx, Chain, ChainTip, SubmitRefusal, SubmitResult, TxStatus, Utxo } from './types.ts';
