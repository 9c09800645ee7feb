import type { Network } from '../bitcoin/network.ts';
import { ChainError } from './errors.ts';
import type { Chain } from './types.ts';

const SIGNET_GENESIS = '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6';

const GENESIS: Readonly<Record<string, Network>> = {
  '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f': 'bitcoin',
  '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206': 'regtest',
  '000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943': 'testnet3',
  '00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043': 'testnet4',
};

/** Every signet has the same genesis block (BIP-325); the first block after it is signed, and differs. */
const SIGNET_BLOCK_1: Readonly<Record<string, Network>> = {
  '00000086d6b2636cb2a392d45edc4ec544a10024d30141c9adf4bfd9de533b53': 'signet',
  '000002855893a0a9b24eaffc5efc770558a326fee4fc10c9da22fc19cd2954f9': 'mutinynet',
};

/** Whether block 1 is needed to tell the network of this genesis block hash. */
export const isSignetGenesis = (genesisHash: string): boolean => genesisHash === SIGNET_GENESIS;

/**
 * The network whose chain starts with these block hashes (lowercase hex, as nodes print them); block 1 matters for
 * signets only. Throws ChainError `unknown_network` for any other chain, and for a signet that has no block 1 yet.
 */
export function networkOf(genesisHash: string, block1Hash: string | null): Network {
  const network = isSignetGenesis(genesisHash)
    ? block1Hash === null
      ? undefined
      : SIGNET_BLOCK_1[block1Hash]
    : GENESIS[genesisHash];
  if (network === undefined)
    throw new ChainError('unknown_network', 'the chain backend follows a chain that is none of the known networks');
  return network;
}

/** Throws ChainError `wrong_network` unless the backend follows the `expected` network: to be asked before anything starts. */
export async function requireNetwork(chain: Chain, expected: Network): Promise<void> {
  const actual = await chain.network();
  if (actual !== expected)
    throw new ChainError('wrong_network', `the chain backend follows ${actual}, but ${expected} is configured`);
}
