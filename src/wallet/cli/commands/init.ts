import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { toHex } from '../../../crypto/index.ts';
import { walletConfig } from '../../config.ts';
import { CHAIN, type Command, EXIT, isSet, listFlag, textFlag, UsageError } from '../command.ts';
import { hint, writeJson, writeLines } from '../io.ts';
import { createHome, refuseUsedHome } from '../new-home.ts';
import { homeOf } from '../open.ts';
import { tomlOf } from '../toml.ts';

export const init: Command = {
  name: 'init',
  arguments: [],
  summary: 'make a new wallet: wallet.toml and an empty key store',
  details: [
    'The wallet believes an aggregator nothing about the chain, so it needs a source of its own: a Bitcoin node',
    '(--bitcoind with --cookie, or with --user and --password-file) or an Esplora API (--esplora). On regtest and for',
    'trying things out the node of the aggregator will do.',
    '',
    'Keys are drawn when they are needed and never printed. Back up keys.json after making a DID; cohort keys cannot be',
    'restored from anything else, and must never be used on two devices.',
  ].join('\n'),
  options: {
    network: { type: 'string', value: 'NET', help: 'bitcoin, signet, regtest, testnet3, testnet4 or mutinynet' },
    mainnet: { type: 'boolean', help: 'needed for --network bitcoin: this is real money' },
    relay: { type: 'string', multiple: true, value: 'URL', help: 'Nostr relay; may be given more than once' },
    ...CHAIN,
  },
  async run(invocation) {
    const { io, json } = invocation;
    const home = homeOf(invocation);
    const network = textFlag(invocation, 'network');
    const relays = listFlag(invocation, 'relay') ?? [];
    const bitcoind = textFlag(invocation, 'bitcoind');
    const esplora = textFlag(invocation, 'esplora');
    if (network === undefined) throw new UsageError('init needs --network', 'init');
    if (relays.length === 0) throw new UsageError('init needs at least one --relay', 'init');
    if ((bitcoind === undefined) === (esplora === undefined))
      throw new UsageError('init needs one of --bitcoind and --esplora', 'init');
    const file = (name: string): string | undefined => {
      const path = textFlag(invocation, name);
      return path === undefined ? undefined : resolve(io.cwd, path);
    };
    const text = tomlOf({
      network,
      mainnet: isSet(invocation, 'mainnet'),
      relays,
      chain: {
        backend: bitcoind === undefined ? 'esplora' : 'bitcoind',
        url: bitcoind ?? esplora!,
        cookie_file: file('cookie'),
        user: textFlag(invocation, 'user'),
        password_file: file('password-file'),
        // Two wallets on one node must not share a watch-only wallet there.
        wallet: bitcoind === undefined ? undefined : `btcr2-wallet-${toHex(randomBytes(4))}`,
      },
    });
    refuseUsedHome(home);
    const config = walletConfig(home, text, { flags: {}, env: {}, cwd: io.cwd });
    const files = createHome(home, text);
    if (json) writeJson(invocation, { home, network: config.network, relays: config.relays, files });
    else writeLines(invocation, [`made a ${config.network} wallet in ${home}`]);
    hint(invocation, 'next: btcr2-wallet discover');
    return EXIT.ok;
  },
};
