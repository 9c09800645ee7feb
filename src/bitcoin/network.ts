/** The Bitcoin networks that did:btcr2 names, in the order of their numbers in an identifier. */
export const NETWORKS = ['bitcoin', 'signet', 'regtest', 'testnet3', 'testnet4', 'mutinynet'] as const;

export type Network = (typeof NETWORKS)[number];

/** Human-readable part of segwit addresses: signet, testnet4 and mutinynet share testnet3's. */
export const ADDRESS_HRP: Readonly<Record<Network, 'bc' | 'tb' | 'bcrt'>> = {
  bitcoin: 'bc',
  signet: 'tb',
  regtest: 'bcrt',
  testnet3: 'tb',
  testnet4: 'tb',
  mutinynet: 'tb',
};
