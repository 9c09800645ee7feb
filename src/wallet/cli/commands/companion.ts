import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { readDuration } from '../../../operator/command-line.ts';
import { qrText } from '../../../operator/qr.ts';
import { type Cell, fields, plural, relativeTime, safeText, sats, wantsColour } from '../../../operator/terminal.ts';
import type { CompanionPolicyView, CompanionView } from '../../api.ts';
import { COMPANION_LINK_SCHEME } from '../../companion-link.ts';
import {
  type Command,
  EXIT,
  type Invocation,
  isSet,
  NETWORKING,
  numberFlag,
  Refused,
  textFlag,
  UsageError,
} from '../command.ts';
import { hint, paintOf, type Reader, waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findDid } from '../refs.ts';

const open: Command = {
  name: 'companion open',
  arguments: [],
  summary: 'make this wallet, always on, the companion of another one, and show the string that pairs them',
  details: [
    'A companion holds the cohort key and answers rounds, so that the wallet with the keys of the DIDs can sleep. It starts',
    'as a wallet of its own (`init`, in another folder or on another machine) without DIDs and cohorts. Keep `btcr2-wallet run`',
    'going there, and show the string to its owner, who gives it to `btcr2-wallet companion pair`.',
    '',
    'The string is a secret: whoever uses it first owns the companion, for good. It is shown once; this command again makes',
    'another, until somebody has paired.',
  ].join('\n'),
  options: {
    expires: { type: 'string', value: 'TIME', help: 'how long the string is good for, such as 10min (1h)' },
    qr: { type: 'boolean', help: 'also draw it as a QR code' },
    ...NETWORKING,
  },
  async run(invocation) {
    const { json, io } = invocation;
    if (json && isSet(invocation, 'qr'))
      throw new UsageError('--qr draws for people: programs read the string', 'companion open');
    const expiresIn = timeFlag(invocation, 'expires', 'companion open');
    return withWallet(invocation, { online: false }, async ({ port, isRunning }) => {
      const opened = await port.companionOpen(expiresIn === undefined ? {} : { expiresIn });
      if (json) writeJson(invocation, opened);
      else {
        writeLines(invocation, [opened.link]);
        if (isSet(invocation, 'qr')) io.out.write(qrText(opened.link, { colour: wantsColour(io.out, io.env) }) ?? '');
      }
      hint(invocation, `good for one owner, ${relativeTime(opened.expires_at, io.now())} it is good for nothing`);
      if (!isRunning)
        hint(invocation, 'now keep `btcr2-wallet run` going: a companion that is not running helps nobody');
      return EXIT.ok;
    });
  },
};

const pair: Command = {
  name: 'companion pair',
  arguments: ['STRING'],
  summary: 'take a companion: this wallet becomes its owner',
  details: `STRING is what \`companion open\` showed, or a file with it. One companion at a time.`,
  options: NETWORKING,
  run: invocation =>
    withWallet(invocation, { online: true }, async ({ port, isRunning }) => {
      const link = linkOf(invocation);
      const paired = await waiting(invocation, 'waiting for the companion', port.companionPair({ link }));
      if (invocation.json) writeJson(invocation, paired);
      else writeLines(invocation, [`paired with the companion ${paired.companion}`]);
      hint(invocation, 'next: btcr2-wallet companion policy --fee-cap SATS');
      if (!isRunning) hint(invocation, 'this wallet may sleep; whenever it runs it fetches what it missed');
      return EXIT.ok;
    }),
};

/** A file keeps the secret out of the list of processes. */
function linkOf({ positionals, io }: Invocation): string {
  const [word] = positionals;
  if (word!.startsWith(COMPANION_LINK_SCHEME)) return word!;
  const path = resolve(io.cwd, word!);
  try {
    if (statSync(path).size <= 10_000) return readFileSync(path, 'utf8');
  } catch {
    // Said below.
  }
  throw new UsageError(`companion pair takes a ${COMPANION_LINK_SCHEME} string, or a file with one`, 'companion pair');
}

const policy: Command = {
  name: 'companion policy',
  arguments: [],
  summary: 'say what the companion may sign, and until when',
  details: [
    'The companion signs only in cohorts that its owner joined by it (`join --companion`), only updates that its owner made',
    'of DIDs that were registered through it, and no transaction that pays more than the cap to miners. After its end a',
    'policy lets it sign nothing, which blocks those cohorts: renew it in time, with this command.',
  ].join('\n'),
  options: {
    'fee-cap': { type: 'string', value: 'SATS', help: 'most that a transaction may pay to miners, on any fee step' },
    expires: { type: 'string', value: 'TIME', help: 'how long it is good for, such as 30d (90d)' },
    ...NETWORKING,
  },
  async run(invocation) {
    const feeCapSats = numberFlag(invocation, 'fee-cap', 1);
    const time = timeFlag(invocation, 'expires', 'companion policy');
    return withWallet(invocation, { online: true }, async ({ port }) => {
      const signed = await waiting(
        invocation,
        'waiting for the companion',
        port.companionPolicy({
          ...(feeCapSats === undefined ? {} : { feeCapSats }),
          ...(time === undefined ? {} : { expiresAt: invocation.io.now() + time }),
        }),
      );
      if (invocation.json) writeJson(invocation, signed);
      else invocation.io.out.write(fields(policyRows(signed, invocation), paintOf(invocation)));
      return EXIT.ok;
    });
  },
};

const withdraw: Command = {
  name: 'companion withdraw',
  arguments: ['DID'],
  summary: 'have an update back that the companion has not signed for',
  details: [
    'While the companion holds an update, this wallet makes no other one of that version: it cannot know what was signed.',
    'Refused once a partial signature has left. Without --announcement the last update is meant.',
  ].join('\n'),
  options: {
    announcement: { type: 'string', value: 'HASH', help: 'which update, by its hash (64 hex digits)' },
    ...NETWORKING,
  },
  async run(invocation) {
    const announcement = textFlag(invocation, 'announcement');
    if (announcement !== undefined && !/^[0-9a-f]{64}$/.test(announcement))
      throw new UsageError('--announcement takes 64 lowercase hex digits', 'companion withdraw');
    return withWallet(invocation, { online: true }, async ({ port }) => {
      const { did } = findDid(invocation.positionals[0]!, (await port.status()).dids);
      const asked = { did, ...(announcement === undefined ? {} : { announcement }) };
      const back = await waiting(invocation, 'waiting for the companion', port.companionWithdraw(asked));
      if (invocation.json) writeJson(invocation, back);
      else writeLines(invocation, [`the companion never signs for ${back.announcement}; it is ${back.state} here`]);
      return EXIT.ok;
    });
  },
};

const revoke: Command = {
  name: 'companion revoke',
  arguments: [],
  summary: 'end it: the companion never signs again',
  details: [
    'Every cohort that the companion is a member of signals nothing more, for nobody: take the DIDs out of them first. What it',
    'had not signed for is free again. --lost is for a companion that cannot be asked any more: what it may have signed for',
    'stays locked here, to be announced byte for byte the same, by `announce --via singleton`; its seats become those of this',
    'wallet, to fetch the proofs of what it signed, and it is shut out of them.',
  ].join('\n'),
  options: {
    lost: { type: 'boolean', help: 'the companion is gone: do not ask it' },
    yes: { type: 'boolean', short: 'y', help: 'do not ask back' },
    ...NETWORKING,
  },
  async run(invocation) {
    const { json, io } = invocation;
    const isLost = isSet(invocation, 'lost');
    if (!isSet(invocation, 'yes')) {
      if (json || io.ask === null)
        throw new UsageError('companion revoke asks back: give --yes where nobody can be asked', 'companion revoke');
      const answer = await io.ask('The beacons of its cohorts are frozen by this, for everybody. Go on? [y/N] ');
      if (!/^y(es)?$/i.test(answer.trim())) throw new Refused('declined', 'not revoked');
    }
    return withWallet(invocation, { online: !isLost }, async ({ port }) => {
      const work = isLost ? port.companionLost() : port.companionRevoke();
      const ended = await waiting(invocation, 'waiting for the companion', work);
      if (json) writeJson(invocation, { ...ended, lost: isLost });
      else writeLines(invocation, [`the companion ${ended.companion} is ${isLost ? 'given up' : 'revoked'}`]);
      if (isLost)
        hint(
          invocation,
          'its cohort keys are gone, and their beacons frozen; DIDs that have a beacon of their own go on by it: btcr2-wallet announce DID --via singleton',
        );
      return EXIT.ok;
    });
  },
};

const status: Command = {
  name: 'companion status',
  arguments: [],
  summary: 'show the companion, or the owner, of this wallet and the policy between them',
  options: NETWORKING,
  run: invocation =>
    withWallet(invocation, { online: false }, async ({ port }) => {
      const { companion } = await port.status();
      if (invocation.json) writeJson(invocation, companion);
      else if (companion === null) writeLines(invocation, ['this wallet has no companion, and is none']);
      else invocation.io.out.write(fields(companionRows(companion, invocation), paintOf(invocation)));
      return EXIT.ok;
    }),
};

export const companionCommands: readonly Command[] = [open, pair, policy, withdraw, revoke, status];

function timeFlag(invocation: Invocation, name: string, command: string): number | undefined {
  const text = textFlag(invocation, name);
  if (text === undefined) return undefined;
  const seconds = readDuration(text);
  if (seconds === null || seconds < 1)
    throw new UsageError(`--${name} takes a time such as 30d, 12h or 10min`, command);
  return seconds;
}

/** Seconds of silence after which a companion is worth a look. */
const SILENT = 86_400;
/** Seconds before its end from which on a policy is worth renewing. */
const SOON = 7 * 86_400;

const policyRows = (held: CompanionPolicyView | null, { io }: Pick<Reader, 'io'>): [string, Cell | null][] => {
  if (held === null) return [['policy', { text: 'none yet: nothing is signed', style: 'yellow' }]];
  const away = held.expires_at - io.now();
  const ends =
    away <= 0
      ? `ended ${relativeTime(held.expires_at, io.now())}: nothing is signed; renew it`
      : `ends ${relativeTime(held.expires_at, io.now())}`;
  return [
    ['policy', held.revoked ? { text: `${held.version}: revoked`, style: 'red' } : String(held.version)],
    ['', held.revoked ? null : { text: ends, style: away <= 0 ? 'red' : away < SOON ? 'yellow' : 'green' }],
    ['fee cap', held.revoked ? null : sats(held.fee_cap)],
    ['cohorts', held.cohorts.length === 0 ? null : held.cohorts.join(' ')],
    ['DIDs', held.dids.length === 0 ? null : held.dids.join(' ')],
  ];
};

/** A companion and its owner for people. */
export function companionRows(view: CompanionView, reader: Pick<Reader, 'io'>): [string, Cell | null][] {
  const now = reader.io.now();
  const failed = view.not_joined.map(({ cohort, text }): [string, Cell] => [
    'not joined',
    { text: `${cohort.slice(0, 12)}: ${safeText(text)}`, style: 'yellow' },
  ]);
  if (view.role === 'companion')
    return [
      ['companion', view.companion],
      [
        'owner',
        view.owner ?? {
          text: `none: waits for one, ${view.pairing_expires_at! > now ? `until ${relativeTime(view.pairing_expires_at!, now)}` : 'and its string has expired: companion open'}`,
          style: 'yellow',
        },
      ],
      ...policyRows(view.policy, reader),
      [
        'to tell',
        view.unacknowledged === 0
          ? null
          : `${plural(view.unacknowledged, 'signature')} that the owner has not heard of`,
      ],
      ...failed,
    ];
  return [
    ['companion', view.companion],
    ['state', view.phase === 'ended' ? { text: `ended: ${safeText(view.reason ?? '')}`, style: 'red' } : view.phase],
    ['heard', view.heard_at === null ? 'never' : heardText(view.heard_at, now)],
    ['says', view.text === null ? null : { text: safeText(view.text), style: 'yellow' }],
    ...policyRows(view.policy, reader),
    [
      'in force',
      view.policy !== null && view.policy.version !== view.policy_in_force
        ? { text: `version ${view.policy_in_force}: the companion has not taken the newest`, style: 'yellow' }
        : null,
    ],
    ...failed,
  ];
}

const heardText = (at: number, now: number): Cell =>
  now - at < SILENT
    ? relativeTime(at, now)
    : {
        text: `${relativeTime(at, now)}: is it running? While it is not, its cohorts are blocked; if it is lost, its cohort keys are gone and DIDs leave by their own beacons (companion revoke --lost)`,
        style: 'yellow',
      };
