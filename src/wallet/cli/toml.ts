/** What a new wallet.toml says; paths are absolute. */
export interface NewConfig {
  network: string;
  mainnet: boolean;
  relays: readonly string[];
  /** Whether the wallet saves its state there. */
  stateOnRelays: boolean;
  chain: {
    backend: string;
    url: string;
    cookie_file: string | undefined;
    user: string | undefined;
    password_file: string | undefined;
    wallet: string | undefined;
  };
}

/** A TOML basic string: JSON's escapes are among TOML's, save for DEL, which TOML wants escaped too. */
const quoted = (text: string): string => JSON.stringify(text).replaceAll('\u007f', '\\u007f');

/** The text of a new wallet.toml. It holds no secret: the password of a node stays in a file of its own. */
export function tomlOf({ network, mainnet, relays, stateOnRelays, chain }: NewConfig): string {
  const settings = Object.entries(chain).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return [
    '# A wallet for did:btcr2 identifiers. Each setting can be overridden by BTCR2_WALLET_<KEY> in the environment,',
    '# such as BTCR2_WALLET_LOG_LEVEL or BTCR2_WALLET_CHAIN_URL, and most of them by an option of btcr2-wallet.',
    '',
    `network = ${quoted(network)}`,
    ...(mainnet
      ? ['# Real money: without this line the wallet refuses to start on network bitcoin.', 'mainnet = true']
      : []),
    '',
    '# Nostr relays that adverts are looked for on. A cohort is reached on the relays of its advert as well.',
    `relays = [${relays.map(quoted).join(', ')}]`,
    '# No relay is needed: messages are carried as files (btcr2-wallet compose, deliver).',
    `${relays.length === 0 ? '' : '# '}by_hand = true`,
    '',
    '# debug, info, warn or error; goes to standard error.',
    'log_level = "warn"',
    '',
    "# The wallet's own view of the chain. It checks every outpoint, depth and confirmation by it.",
    '[chain]',
    ...settings.map(([key, value]) => `${key} = ${quoted(value)}`),
    '',
    '# Saves what the words of the seed do not restore on the relays above, encrypted to a key of the seed. They see how much',
    '# it is, and when it changes; see btcr2-wallet state.',
    `${stateOnRelays ? '' : '# '}[state]`,
    `${stateOnRelays ? '' : '# '}on_relays = true`,
    '',
    '# Where `btcr2-wallet publish` puts updates: the RPC address of an IPFS node (Kubo). Nothing is published unasked.',
    '# [cas]',
    '# kubo_url = "http://127.0.0.1:5001"',
    '',
  ].join('\n');
}
