import type { OptionSpecs, ProgramSpec } from './command-line.ts';
import { EXIT_HELP } from './exit.ts';

const COMMON: OptionSpecs = {
  config: {
    value: 'FILE',
    help: 'The configuration: else $BTCR2_CONFIG, ./btcr2-aggregator.toml, ~/.config/btcr2-aggregator/config.toml.',
  },
  'state-dir': { value: 'DIR', help: 'The state folder, which also holds the control socket.' },
  set: {
    value: 'KEY=VALUE',
    many: true,
    help: 'Override one key of the configuration, such as chain.poll_ms=5000. Not for secrets: others can see command lines.',
  },
  json: { help: 'Answer in JSON, for programs.' },
};

const CHAIN: OptionSpecs = {
  bitcoind: { value: 'URL', help: 'Use a bitcoind at this RPC address.' },
  cookie: { value: 'FILE', help: 'The cookie file of that bitcoind.' },
  esplora: { value: 'URL', help: 'Use an Esplora server at this address instead.' },
};

const OVERRIDES: OptionSpecs = {
  network: { value: 'NAME', help: 'Override the network.' },
  mainnet: { help: 'Mean it: needed for the network bitcoin.' },
  relay: { value: 'URL', many: true, help: 'Use this relay, instead of relays.json.' },
  ...CHAIN,
  'log-level': { value: 'LEVEL', help: 'debug, info, warn or error.' },
  'log-format': { value: 'FORMAT', help: 'text or json.' },
};

/** Flags of `advert create`, each with the term that it sets and how its value is read. */
export const TERM_FLAGS: Readonly<
  Record<
    string,
    { path: string; reads: 'integer' | 'duration' | 'text' | 'list' | 'yes'; value?: string; help: string }
  >
> = {
  type: { path: 'type', reads: 'text', value: 'TYPE', help: 'SMTBeacon; or CASBeacon, a map that every member sees.' },
  min: { path: 'cohort_size.min', reads: 'integer', value: 'N', help: 'Fewest members.' },
  max: {
    path: 'cohort_size.max',
    reads: 'integer',
    value: 'N',
    help: 'Most members; every one has to sign every round.',
  },
  'fee-cap': { path: 'fee_cap', reads: 'integer', value: 'SATS', help: 'Most that one signal may pay to miners.' },
  'fee-steps': {
    path: 'fee_ladder.steps',
    reads: 'integer',
    value: 'N',
    help: 'How many transactions of rising fee are signed at once; 1 for no ladder.',
  },
  'fee-factor': {
    path: 'fee_ladder.factor',
    reads: 'integer',
    value: 'N',
    help: 'How many times the fee of one step the next one pays.',
  },
  'fee-blocks': {
    path: 'fee_ladder.blocks',
    reads: 'integer',
    value: 'N',
    help: 'Blocks that a step waits for before the next one is sent.',
  },
  frequency: {
    path: 'frequency.interval',
    reads: 'duration',
    value: 'TIME',
    help: 'A signal at least this often, if any update waits.',
  },
  'min-interval': {
    path: 'frequency.min_interval',
    reads: 'duration',
    value: 'TIME',
    help: 'Never sooner than this after the last signal.',
  },
  'pending-updates': {
    path: 'frequency.pending_updates',
    reads: 'integer',
    value: 'N',
    help: 'A signal as soon as so many updates wait.',
  },
  'cohort-set-latency': {
    path: 'latency.cohort_set',
    reads: 'duration',
    value: 'TIME',
    help: 'Time to confirm the set of members.',
  },
  'presence-latency': {
    path: 'latency.presence',
    reads: 'duration',
    value: 'TIME',
    help: 'Time to say that one is there.',
  },
  'nonce-latency': {
    path: 'latency.nonce',
    reads: 'duration',
    value: 'TIME',
    help: 'Time to check a signal and send a nonce.',
  },
  'signature-latency': { path: 'latency.signature', reads: 'duration', value: 'TIME', help: 'Time to sign.' },
  'dids-min': { path: 'dids.min', reads: 'integer', value: 'N', help: 'Fewest DIDs of a member.' },
  'dids-max': { path: 'dids.max', reads: 'integer', value: 'N', help: 'Most DIDs of a member.' },
  enrolment: { path: 'financials.enrolment', reads: 'integer', value: 'SATS', help: 'Price of a seat.' },
  'per-announcement': {
    path: 'financials.per_announcement',
    reads: 'integer',
    value: 'SATS',
    help: 'Price of an announcement.',
  },
  'pow-bits': {
    path: 'pow_bits',
    reads: 'integer',
    value: 'N',
    help: 'Proof of work that an opt-in needs (NIP-13): 16 take about a second.',
  },
  'price-text': { path: 'financials.text', reads: 'text', value: 'TEXT', help: 'How it is paid, in words.' },
  funder: {
    path: 'funder',
    reads: 'text',
    value: 'WHO',
    help: 'Who funds the beacon address: operator, members or anyone.',
  },
  flow: {
    path: 'flow',
    reads: 'text',
    value: 'FLOW',
    help: 'push: wallets send updates when they have them; or pull: every round asks all of them.',
  },
  privacy: {
    path: 'privacy',
    reads: 'text',
    value: 'KIND',
    help: 'none; or blinded: no DID and no update is ever seen here. Needs SMTBeacon and pull.',
  },
  'bit-order': {
    path: 'bit_order',
    reads: 'text',
    value: 'ORDER',
    help: 'spec; or lsb, for old software. Needs SMTBeacon.',
  },
  'signal-output': {
    path: 'signal_output',
    reads: 'text',
    value: 'PLACE',
    help: 'last; or first, for demonstration off mainnet.',
  },
  policy: {
    path: 'policy.type',
    reads: 'text',
    value: 'POLICY',
    help: 'keypath; or fallback: all members but one can finish a signal, and after a delay the recovery key alone can spend. Wallets refuse it unless told otherwise.',
  },
  'recovery-key': {
    path: 'policy.recovery_key',
    reads: 'text',
    value: 'KEY',
    help: 'x-only key of a fallback policy, in hex: see keys recovery.',
  },
  'recovery-delay': {
    path: 'policy.recovery_delay_blocks',
    reads: 'integer',
    value: 'BLOCKS',
    help: 'How long an output has to lie before the recovery key can spend it.',
  },
  'refund-address': {
    path: 'refund.address',
    reads: 'text',
    value: 'ADDRESS',
    help: 'Where stranded money goes back to; members sign that before a deposit is broadcast.',
  },
  'refund-delay': {
    path: 'refund.delay_blocks',
    reads: 'integer',
    value: 'BLOCKS',
    help: 'How old an output has to be before it can go back so.',
  },
  admission: { path: 'admission', reads: 'text', value: 'WHO', help: 'open, allowlist or invite.' },
  'unproven-dids': { path: 'unproven_dids', reads: 'yes', help: 'Take DIDs without proof of control.' },
  communication: {
    path: 'communication',
    reads: 'list',
    value: 'SCHEMES',
    help: 'How messages may travel, separated by commas: nip44_v2, nip04, nip59.',
  },
  'expires-in': { path: 'expires_in', reads: 'duration', value: 'TIME', help: 'How long the offer stands.' },
};

const ADVERT_OPTIONS: OptionSpecs = {
  id: { value: 'ID', help: 'A name for the advert; made up if left out.' },
  ...Object.fromEntries(
    Object.entries(TERM_FLAGS).map(([name, { value, help }]) => [
      name,
      value === undefined ? { help } : { value, help },
    ]),
  ),
};

const END_OPTIONS: OptionSpecs = {
  'deadline-in': {
    value: 'TIME',
    help: 'When the last signal goes out, whoever has sent no update; 7d if left out.',
  },
  text: { value: 'TEXT', help: 'Words to the members.' },
};

/** The aggregator's command line. */
export const PROGRAM: ProgramSpec = {
  name: 'btcr2-aggregator',
  summary:
    'A Nostr-native aggregator for did:btcr2 beacons: gathers cohorts, and turns their updates into Bitcoin signals.',
  common: COMMON,
  commands: [
    {
      name: 'init',
      summary: 'Write a configuration, relays.json and a new identity key.',
      text: `Writes btcr2-aggregator.toml, relays.json and identity.key into the folder, all readable by you alone.
Nothing that exists is overwritten. With --force the configuration and relays.json are written anew; an identity
key that is there is kept in any case, since nobody could replace it.`,
      options: {
        network: { value: 'NAME', help: 'bitcoin, signet, regtest (the default), testnet3, testnet4 or mutinynet.' },
        mainnet: { help: 'Mean it: needed for the network bitcoin.' },
        dir: { value: 'DIR', help: 'The folder; the current one if left out.' },
        relay: { value: 'URL', many: true, help: 'A relay to use; needed off regtest.' },
        'by-hand': { help: 'No relay: messages are carried as files, see compose and deliver.' },
        ...CHAIN,
        force: { help: 'Overwrite the configuration and relays.json.' },
      },
    },
    {
      name: 'run',
      summary: 'Run the aggregator until SIGTERM or SIGINT; a second signal ends it at once.',
      text: 'With --json one JSON line on standard output says when it is ready. The log goes to standard error.',
      options: OVERRIDES,
    },
    { name: 'status', summary: 'Show relays, chain, and every cohort of the running aggregator.' },
    {
      name: 'advert create',
      summary: 'Publish an offer of a beacon.',
      text: `What is left out comes from the section [advert] of the configuration. The terms never change afterwards: another
set of terms is another advert. Times are seconds, or 90s, 15m, 2h, 1d.`,
      options: ADVERT_OPTIONS,
    },
    { name: 'advert list', summary: 'List the adverts.' },
    {
      name: 'advert close',
      operands: 'ADVERT',
      summary: 'Take no more members: form the cohort with who is there, if enough.',
      options: { cancel: { help: 'Give the seats back instead.' } },
    },
    {
      name: 'advert export',
      operands: 'ADVERT',
      summary: 'Show an advert for use outside Nostr: its link, its signed event, its document with proof.',
      options: {
        event: { help: 'Only the signed event, as JSON: what a wallet reads from a file.' },
        document: { help: 'Only the document with its proof, as JSON: to stand on a website or in print.' },
        link: { help: 'Only the nostr+btcr2:// string, for `btcr2-wallet join`.' },
        qr: { help: 'The short string as a QR code, for a terminal.' },
      },
    },
    { name: 'cohort list', summary: 'List the cohorts.' },
    { name: 'cohort show', operands: 'COHORT', summary: 'Show one cohort: terms, members, DIDs, money, rounds.' },
    {
      name: 'cohort succeed',
      operands: 'COHORT',
      summary: 'End a cohort, and have another one follow it: with some members new, or gone.',
      text: `Make the advert of the successor first: advert create. Every member is told where it is, and what to do next: join it, update
its DIDs in one last signal here, agree to the move of the money, delete its cohort key. Members that leave go without. It may
be asked again, to name another successor.`,
      options: {
        advert: { value: 'ADVERT', help: 'The advert of the cohort that follows; needed.' },
        ...END_OPTIONS,
      },
    },
    {
      name: 'cohort dissolve',
      operands: 'COHORT',
      summary: 'End a cohort with none to follow.',
      text: 'Its DIDs take the beacon out in one last signal. Proofs are served for ever, as long as this aggregator runs.',
      options: END_OPTIONS,
    },
    {
      name: 'cohort succession',
      operands: 'COHORT',
      summary: 'Show how far the end of a cohort is, what it waits for, and what to do next.',
    },
    {
      name: 'member gone',
      operands: 'COHORT MEMBER',
      summary: 'Say that a member has vanished: the others are told how their DIDs get away.',
      text: `Nothing can be signed without it, so no round opens from then on. MEMBER is its cohort or transport key, or a beginning of
it. Should it come back, --back says so.`,
      options: { back: { help: 'It is here again.' } },
    },
    { name: 'round list', operands: 'COHORT', summary: 'List the rounds of a cohort.' },
    { name: 'round show', operands: 'COHORT [ROUND]', summary: 'Show one round; the newest if none is named.' },
    { name: 'round open', operands: 'COHORT', summary: 'Ask for a round now, without waiting for its trigger.' },
    { name: 'alarm list', operands: 'COHORT', summary: 'List the alarms of a cohort, with their keys.' },
    {
      name: 'alarm clear',
      operands: 'COHORT ALARM',
      summary: 'Say that an alarm was looked at: it halts rounds no more.',
      text: `A halting alarm says that something spent from the beacon that no session explains, or that this database is a backup's. Rounds
open again once it is cleared, and what it told of stays as it is: look at the transaction, and at what members say, first. It is
logged. ALARM is a key of \`alarm list\`, or a code that only one of them has.`,
    },
    {
      name: 'backup',
      operands: 'FILE',
      summary: 'Copy the database and the keys of the cohorts, while the aggregator runs.',
      text: `Writes FILE and FILE.keys.json, both new, of mode 0600; the copy is checked. The identity key and the configuration are
in neither: keep them apart.`,
    },
    {
      name: 'restore',
      operands: 'FILE',
      summary: 'Put a backup back into a state folder without a database; the aggregator is not running.',
      text: `The aggregator then reads again what members sent since, and opens no new round in a cohort that is formed until
\`alarm clear COHORT restored\`: sessions that were opened after the backup may still be open at the members.`,
      options: OVERRIDES,
    },
    {
      name: 'export',
      operands: 'COHORT|all',
      summary: 'Write what proves the signals of a cohort, or of all, to a new folder: for whoever keeps it next.',
      text: `One file of JSON lines a cohort, with a README.txt that says what is in it: members, leaves, updates, signals, open sessions.
No key is in it, but who updated what, and when. Proofs are made again from it by anybody: see archive sidecar.`,
      options: { out: { short: 'o', value: 'FOLDER', help: 'A folder that is empty, or made; needed.' } },
    },
    {
      name: 'archive verify',
      operands: 'FOLDER',
      summary: 'Rebuild every root of an archive from its leaves, and compare it with its signal. Offline.',
      text: 'It checks members, signatures, updates and transactions too. Exit code 0 if all of it proves, 1 if anything does not.',
    },
    {
      name: 'archive sidecar',
      operands: 'FOLDER DID',
      summary: 'Make the proofs of a DID from an archive, by beacon address: what a resolver needs of it. Offline.',
    },
    {
      name: 'evidence list',
      operands: '[COHORT]',
      summary: 'List what members signed against the protocol: of one cohort, or of all.',
    },
    {
      name: 'evidence export',
      operands: 'ID',
      summary: 'Write one transcript of signed envelopes as JSON: to show to anybody.',
      options: { out: { short: 'o', value: 'FILE', help: 'Write to this new file (mode 0600).' } },
    },
    {
      name: 'evidence verify',
      operands: 'FILE',
      summary: 'Say what a transcript shows, and of whom. Offline: it asks and believes nobody.',
      text: `Exit code 0 if it shows a fault, 1 if it shows nothing or is no transcript.`,
    },
    {
      name: 'compose',
      summary: 'Write the messages of a cohort to files, to be carried by hand.',
      text: `One file a message, named by sequence, type, recipient and sender, and written once: --all writes what was written
before too, --message one of them. Encrypted, a file holds the events that a relay would carry; --plain writes the
signed envelope itself, which anybody can read and nobody can alter. Without --member the messages to all members whose
own came by hand are written, and to every member where there is no relay (by_hand = true).`,
      options: {
        cohort: { value: 'COHORT', help: 'The cohort; needed if there are several.' },
        member: { value: 'KEY', help: 'Only to this member: its transport or cohort key, or a beginning of it.' },
        message: { value: 'ID', help: 'One message: its sequence number or id.' },
        all: { help: 'Also what was written before.' },
        plain: { help: 'Not encrypted.' },
        to: { value: 'DIR', help: 'The folder, made if it is not there; the current one if left out; - to print.' },
      },
    },
    {
      name: 'deliver',
      operands: 'FILE…',
      options: { tidy: { help: 'Delete the files that were taken; what others are to take, or was refused, stays.' } },
      summary: 'Take messages from files, folders, or - for the standard input.',
      text: `One line a file says what became of it. What is repeated is answered as before, and what is refused stops nothing
else. Files may come in any order. Exit code 1 if a file was refused or is not whole; in a folder, what is for somebody else is
passed over.`,
    },
    {
      name: 'round cancel',
      operands: 'COHORT',
      summary: 'Close an open session without a signal, by a spend back to the beacon that all members sign.',
      text: `For a session that was signed by some and cannot be finished. Six blocks after the cancel its updates are free to be
announced again, byte for byte. Should the signal be mined first, it stands.`,
    },
    {
      name: 'spend move',
      operands: 'COHORT [ADDRESS]',
      summary: 'Move one output of the beacon to an address that every member agreed to (btcr2-wallet release).',
      text: `Without OP_RETURN, so it is no signal. Once for each output; members whose person did not agree veto. Without ADDRESS it goes
to the beacon of the successor (cohort succeed).`,
    },
    {
      name: 'spend refund',
      operands: 'COHORT TXID:VOUT SATS',
      summary: 'Let all sign the refund of a deposit, before the deposit is broadcast.',
      text: `SATS is what that output pays to the beacon, to the satoshi: a refund of another value is taken by no node. It pays the
address in the terms, after their delay. It is kept by all and published by nobody: see spend list. Members send it with
btcr2-wallet refund.`,
    },
    {
      name: 'spend recover',
      operands: 'COHORT ADDRESS',
      summary:
        'Take one output of a beacon with a fallback policy by its recovery key alone, once its delay has passed.',
      text: `For money that nobody can move any more. It pays ADDRESS, without OP_RETURN, so it is no signal; every member's wallet
tells of it. Once for each output, the oldest first; refused while that is younger than the delay in the terms. The key is read
and signs in this process, and the daemon never sees it.`,
      options: { 'key-file': { value: 'FILE', help: 'The recovery key (mode 0600), as keys recovery made it.' } },
    },
    { name: 'spend list', operands: 'COHORT', summary: 'List what was spent, or can be, without announcing anything.' },
    {
      name: 'doctor',
      summary: 'Check configuration, files, database, relays, chain and clock.',
      text: 'One line a check. It changes nothing but making the state folder, and can be run beside the aggregator.',
      options: OVERRIDES,
    },
    {
      name: 'keys recovery',
      operands: 'FILE',
      summary: 'Make the recovery key of a fallback policy, and show its public half for advert create.',
      text: `A new file of mode 0600, never written over. Whoever has it can, after the delay in the terms, spend from the beacon alone,
and so publish what destroys every DID behind it: keep it off this machine, and back it up. One for each advert.`,
    },
    {
      name: 'keys lock',
      summary: 'Lock the identity key with a passphrase (NIP-49), and the keys in the state folder with it.',
      text: `The passphrase stands in a file of mode 0600: --passphrase-file, else identity.passphrase_file, which the daemon needs
from then on. The plain key is overwritten and replaced; copies and backups of it are not found. Stop the daemon first.`,
      options: { 'passphrase-file': { value: 'FILE', help: 'The file that holds the passphrase, alone.' } },
    },
    { name: 'config', summary: 'Show the configuration as it takes effect, without its secrets.', options: OVERRIDES },
  ],
  footer: `ADVERT and COHORT are advert ids, cohort ids, or the first four or more digits of one.
Every key of the configuration can be set by a variable: advert.fee_cap by BTCR2_ADVERT_FEE_CAP; secrets also by
a file: BTCR2_CHAIN_PASSWORD_FILE. Flags go over variables, variables over the file.

${EXIT_HELP}`,
};
