import type { Network } from '../bitcoin/network.ts';
import { defaultSettings } from '../config/defaults.ts';
import { at } from '../config/pairs.ts';
import { duration, sats } from './terminal.ts';

export type ChainChoice = { backend: 'bitcoind'; url: string; cookie: string } | { backend: 'esplora'; url: string };

/** Ports of bitcoind's RPC, and the folder of its cookie inside ~/.bitcoin, by network. */
export const BITCOIND: Readonly<Record<Network, { port: number; folder: string }>> = {
  bitcoin: { port: 8332, folder: '' },
  signet: { port: 38332, folder: 'signet' },
  regtest: { port: 18443, folder: 'regtest' },
  testnet3: { port: 18332, folder: 'testnet3' },
  testnet4: { port: 48332, folder: 'testnet4' },
  mutinynet: { port: 38332, folder: 'signet' },
};

/** A text as a TOML basic string; JSON's escapes are TOML's. */
const text = (value: string): string => JSON.stringify(value).replaceAll('\u007f', '\\u007f');

function chainSection(chain: ChainChoice): string {
  if (chain.backend === 'esplora')
    return `backend = "esplora"
url = ${text(chain.url)}`;
  return `backend = "bitcoind"
url = ${text(chain.url)}
# How to log in: the cookie that the node writes at each start, or user with password or password_file.
cookie_file = ${text(chain.cookie)}
# The watch-only wallet to make and use on the node; two aggregators on one node take two names.
wallet = "btcr2-aggregator"`;
}

/** The text of a first configuration file: every key that one is likely to change, with its meaning and its default. */
export function configText({
  network,
  mainnet,
  byHand,
  chain,
}: {
  network: Network;
  mainnet: boolean;
  byHand: boolean;
  chain: ChainChoice;
}): string {
  const defaults = defaultSettings({ network, backend: chain.backend, base: '', isTty: true });
  const number = (key: string): number => Number(at(defaults, `advert.${key}`));
  const seconds = (key: string): string => `${String(number(key)).padEnd(7)} # ${duration(number(key))}`;
  return `# Configuration of btcr2-aggregator. Relative paths start at this file's folder.
# Every key can be overridden: advert.fee_cap by the variable BTCR2_ADVERT_FEE_CAP, or by --set advert.fee_cap=5000.
# What it comes to is shown by \`btcr2-aggregator config\`; \`btcr2-aggregator doctor\` checks it.

# bitcoin, signet, regtest, testnet3, testnet4 or mutinynet.
network = ${text(network)}
${mainnet ? '' : '# '}mainnet = true # real money has to be meant: needed for, and only for, network = "bitcoin"

# Database, keys of the cohorts and the control socket. Back it up.
state_dir = "state"
# {"relays": ["wss://…"]}
relays_file = "relays.json"
# No relay is needed: messages are carried as files (compose, deliver), and deadlines run all the time.
${byHand ? '' : '# '}by_hand = true

[identity]
# The key that signs adverts: 64 hex digits or an nsec, mode 600. Whoever has it can speak in this aggregator's name.
key_file = "identity.key"
# The passphrase of a locked one, in a file of its own of mode 600. \`btcr2-aggregator keys lock\` locks it.
# passphrase_file = "passphrase"

[chain]
${chainSection(chain)}
# How often to look for new blocks, in milliseconds.
poll_ms = ${at(defaults, 'chain.poll_ms')}

# What an advert says unless \`advert create\` is told otherwise. Times in seconds, amounts in satoshis.
[advert]
# SMTBeacon: each member sees its own part of a tree. CASBeacon: all see one map.
type = "SMTBeacon"
# push: wallets send updates when they have them. pull: each round asks every member first.
flow = "push"
# none; blinded hides DIDs and updates from this aggregator too, and needs SMTBeacon, pull and per_announcement = 0.
privacy = "none"
# How messages may travel: nip44_v2; also nip04 (old clients) and nip59 (gift wraps).
communication = ["nip44_v2"]
# Proof of work that an opt-in needs, in bits (NIP-13): 16 take a wallet about a second. None if left out.
# pow_bits = 16
# Most that one signal may pay to miners (${sats(number('fee_cap'))}; a signal has 154 vB).
fee_cap = ${number('fee_cap')}
# Who sends money to the beacon address: operator, members or anyone.
funder = "operator"
# Who may join: open, allowlist or invite (see [admission]).
admission = "open"
# Whether DIDs are taken without proof of control.
unproven_dids = false
# spec; lsb is for talking to old software only.
bit_order = "spec"
# How long the offer stands.
expires_in = ${seconds('expires_in')}

[advert.fee_ladder]
# In one ceremony members sign this many transactions of rising fee, each factor times the last, none above fee_cap;
# the next is sent when the last is in no block after so many blocks. steps = 1: a single transaction.
steps = ${number('fee_ladder.steps')}
factor = ${number('fee_ladder.factor')}
blocks = ${number('fee_ladder.blocks')}

[advert.cohort_size]
# Every member has to sign every round: one that is offline blocks all.
min = ${number('cohort_size.min')}
max = ${number('cohort_size.max')}

[advert.dids]
# DIDs that one member may register.
min = ${number('dids.min')}
max = ${number('dids.max')}

[advert.frequency]
# A signal goes out when pending_updates wait, or interval after the last one if any waits; never sooner than min_interval.
interval = ${seconds('frequency.interval')}
min_interval = ${seconds('frequency.min_interval')}
pending_updates = ${number('frequency.pending_updates')}

[advert.latency]
# How long each phase waits for its answers.
cohort_set = ${seconds('latency.cohort_set')}
presence = ${seconds('latency.presence')}
nonce = ${seconds('latency.nonce')}
signature = ${seconds('latency.signature')}

[advert.financials]
enrolment = 0
per_announcement = 0
# text = "How it is paid, in words."

[admission]
# Words that let their bearers in. They are secrets: keep this file at mode 600, or use invites_file (one a line).
invites = []
# Keys (npub, nprofile or 64 hex digits) that may let wallets in.
allowlist = []

[limits]
# Messages of wallets without a seat: of all relays together, and of each. Bursts of ten minutes' worth pass; then they wait.
strangers_per_minute = ${at(defaults, 'limits.strangers_per_minute')}
strangers_per_relay = ${at(defaults, 'limits.strangers_per_relay')}
# How many of them are answered, if the answer is no.
refusals_per_minute = ${at(defaults, 'limits.refusals_per_minute')}
# What one member may send: bursts of five minutes' worth of messages and a quarter of a day's megabytes pass.
member_per_minute = ${at(defaults, 'limits.member_per_minute')}
member_mb_per_day = ${at(defaults, 'limits.member_mb_per_day')}

[profile]
name = ${text(String(at(defaults, 'profile.name')))}
about = ${text(String(at(defaults, 'profile.about')))}

[cas]
# Publishes the announcement maps of CAS beacons, when their signals are final, by the RPC API of an IPFS node (Kubo).
# Such a map names every DID that was updated, for everybody and for good. Left out, nothing is published.
# kubo_url = "http://127.0.0.1:5001"

[log]
# debug, info, warn or error.
level = "info"
# text or json; if left out, text on a terminal and json elsewhere.
# format = "text"
`;
}
