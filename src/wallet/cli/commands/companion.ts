import { fields } from '../../../operator/terminal.ts';
import {
  type Command,
  EXIT,
  isSet,
  NETWORKING,
  numberFlag,
  Refused,
  textFlag,
  timeFlag,
  UsageError,
} from '../command.ts';
import { companionRows, policyRows } from '../companion-rows.ts';
import { hint, paintOf, waiting, writeJson, writeLines } from '../io.ts';
import { hasCompanion, withWallet } from '../open.ts';
import type { WalletPort } from '../port.ts';
import { findDid } from '../refs.ts';
import { open, pair } from './companion-pairing.ts';

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

const WAKE_MS = 5_000;
const QUIET_MS = 1_500;
const LOOK_MS = 100;

/** A companion that is there tells its owner at once what it missed; this waits until there is no more of it. */
async function awake(port: WalletPort): Promise<void> {
  const look = async (): Promise<string> => {
    const { companion, cohorts, dids } = await port.status();
    return JSON.stringify([companion, cohorts, dids]);
  };
  const until = Date.now() + WAKE_MS;
  let last = await look();
  let isHeard = false;
  for (let changed = Date.now(); Date.now() < until && !(isHeard && Date.now() - changed > QUIET_MS); ) {
    await new Promise(resolve => setTimeout(resolve, LOOK_MS));
    const now = await look();
    if (now === last) continue;
    [last, isHeard, changed] = [now, true, Date.now()];
  }
}

const status: Command = {
  name: 'companion status',
  arguments: [],
  summary: 'show the companion, or the owner, of this wallet and the policy between them',
  details: 'An owner that slept asks its companion first for what it missed, if the companion can be reached at once.',
  options: NETWORKING,
  run: invocation =>
    withWallet(invocation, { online: 'as_owner' }, async ({ port, isRunning }) => {
      if (!isRunning && hasCompanion(await port.status()))
        await waiting(invocation, 'asking the companion', awake(port));
      const { companion } = await port.status();
      if (invocation.json) writeJson(invocation, companion);
      else if (companion === null) writeLines(invocation, ['this wallet has no companion, and is none']);
      else invocation.io.out.write(fields(companionRows(companion, invocation), paintOf(invocation)));
      return EXIT.ok;
    }),
};

export const companionCommands: readonly Command[] = [open, pair, policy, withdraw, revoke, status];
