import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { toHex } from '../../../crypto/index.ts';
import { newKeyFile } from '../../../shell/keystore.ts';
import { walletConfig } from '../../config.ts';
import { CHAIN, type Command, EXIT, isSet, listFlag, textFlag, UsageError } from '../command.ts';
import { hint, writeJson, writeLines } from '../io.ts';
import { createHome, refuseUsedHome } from '../new-home.ts';
import { homeOf } from '../open.ts';
import { firstPassphrase } from '../passphrase.ts';
import { tomlOf } from '../toml.ts';

const SEED_OPTIONS = ['seed', 'restore', 'words-file', 'keys'];

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
    '',
    'With --seed, 24 words (BIP-39) are shown once, or written to --words-file: they make the keys of DIDs, the transport',
    'keys and the nonces of private trees again on this network, by init --restore. They never make a cohort key: a second',
    'device with one could sign beside the first. What else a restored wallet needs is in `btcr2-wallet recovery`.',
    '',
    'With --state-on-relays the rest (DIDs, updates, proofs, memberships) is saved on the relays by itself, so that the words',
    'alone restore the wallet. The relays cannot read it; they see how much it is, and when it changes. It is not the default:',
    'what was published once cannot be taken back for sure. Without it, keep what `btcr2-wallet recovery` writes.',
    '',
    'With --lock, or a passphrase given by --passphrase-file, BTCR2_WALLET_PASSPHRASE_FILE or BTCR2_WALLET_PASSPHRASE, the',
    'keys are locked; see btcr2-wallet passwd --help. Without, keys.json is plain text that only its owner can read (0600).',
  ].join('\n'),
  options: {
    network: { type: 'string', value: 'NET', help: 'bitcoin, signet, regtest, testnet3, testnet4 or mutinynet' },
    mainnet: { type: 'boolean', help: 'needed for --network bitcoin: this is real money' },
    relay: { type: 'string', multiple: true, value: 'URL', help: 'Nostr relay; may be given more than once' },
    'by-hand': { type: 'boolean', help: 'no relay: messages are carried as files, see compose and deliver' },
    seed: { type: 'boolean', help: 'make a seed of 24 words that restores all but cohort keys' },
    restore: { type: 'boolean', help: 'make the keys from the words of a seed' },
    'words-file': { type: 'string', value: 'FILE', help: 'file (mode 0600) for the words, instead of the terminal' },
    keys: {
      type: 'string',
      value: 'N',
      help: 'with --restore: keys of each kind to put back (20), no fewer than were made',
    },
    'state-on-relays': {
      type: 'boolean',
      help: 'save what the words do not restore on the relays, encrypted to a key of the seed',
    },
    lock: { type: 'boolean', help: 'ask for a passphrase that locks the keys' },
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
    const byHand = isSet(invocation, 'by-hand');
    if (relays.length === 0 && !byHand)
      throw new UsageError('init needs at least one --relay, or --by-hand for a wallet without any', 'init');
    if (relays.length > 0 && byHand)
      throw new UsageError('--by-hand is for a wallet without relays: without --relay', 'init');
    if ((bitcoind === undefined) === (esplora === undefined))
      throw new UsageError('init needs one of --bitcoind and --esplora', 'init');
    const stateOnRelays = isSet(invocation, 'state-on-relays');
    if (stateOnRelays && !isSet(invocation, 'seed') && !isSet(invocation, 'restore'))
      throw new UsageError(
        '--state-on-relays needs --seed or --restore: only the words of a seed open it again',
        'init',
      );
    if (stateOnRelays && byHand) throw new UsageError('--state-on-relays needs relays: without --by-hand', 'init');
    const file = (name: string): string | undefined => {
      const path = textFlag(invocation, name);
      return path === undefined ? undefined : resolve(io.cwd, path);
    };
    const text = tomlOf({
      network,
      mainnet: isSet(invocation, 'mainnet'),
      relays,
      stateOnRelays,
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
    const passphrase = await firstPassphrase(invocation, isSet(invocation, 'lock'));
    // Only a wallet with a seed needs the list of its words.
    const words = SEED_OPTIONS.some(name => invocation.flags[name] !== undefined) ? await import('../words.ts') : null;
    const seed = (await words?.seedChoice(invocation)) ?? null;
    const keys =
      words !== null && seed !== null
        ? words.seededKeyFile(seed, config.network, passphrase)
        : passphrase === undefined
          ? undefined
          : newKeyFile({ passphrase, random: length => Uint8Array.from(randomBytes(length)) });
    const isToldWords = words !== null && seed !== null && words.keepWords(seed);
    const files = createHome(home, text, keys);
    if (words !== null && seed !== null) words.putBack(files.keys, seed, passphrase, io.now);
    const shown = isToldWords && seed !== null ? seed.mnemonic : null;
    if (json)
      writeJson(invocation, {
        home,
        network: config.network,
        relays: config.relays,
        files,
        ...(passphrase === undefined ? {} : { locked: true }),
        ...(shown === null ? {} : { words: shown }),
      });
    else
      writeLines(invocation, [
        `made a ${config.network} wallet in ${home}`,
        ...(shown === null ? [] : ['', shown, '']),
      ]);
    if (shown !== null)
      hint(invocation, 'write these words down: they are shown this once, and whoever has them has the keys');
    if (passphrase === undefined) hint(invocation, 'keys.json is plain text; to lock it: btcr2-wallet passwd');
    if (seed !== null && !seed.isNew) hint(invocation, 'next: btcr2-wallet restore --from-relays, or --recovery FILE');
    if (seed?.isNew && !stateOnRelays)
      hint(
        invocation,
        'the words make keys, not what they are used for: keep what btcr2-wallet recovery writes, or set state.on_relays',
      );
    hint(
      invocation,
      byHand ? 'next: btcr2-wallet join FILE, with an advert in a file or a string' : 'next: btcr2-wallet discover',
    );
    return EXIT.ok;
  },
};
