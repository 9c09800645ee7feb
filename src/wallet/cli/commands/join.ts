import { randomBytes } from 'node:crypto';
import { curve } from '#curve';
import { readSecretFile } from '../../../config/files.ts';
import { toHex } from '../../../crypto/index.ts';
import type { Scheme } from '../../../messages/index.ts';
import type { Advert } from '../../../nostr/advert.ts';
import { parseSecretKey } from '../../../nostr/keys.ts';
import { fields, plural } from '../../../operator/terminal.ts';
import type { DidSigner } from '../../api.ts';
import { FALLBACK_REFUSED } from '../../joining.ts';
import { ADVERT_SOURCE, findAdverts, sourceOfWord } from '../advert-source.ts';
import { type Command, EXIT, type Invocation, isSet, NETWORKING, Refused, textFlag, UsageError } from '../command.ts';
import { hint, paintOf, waiting, writeJson, writeLines } from '../io.ts';
import { fallbackWarnings, N_OF_N, offerRows, yearlyCost } from '../offer.ts';
import { withWallet } from '../open.ts';
import { findAdvert, onlyAdvert } from '../refs.ts';

export const join: Command = {
  name: 'join',
  arguments: ['ADVERT'],
  summary: "take a seat in an advert's cohort",
  details: [
    'ADVERT is the id of an advert or of its cohort, or a unique beginning; or a nostr+btcr2:// string; or a file with one',
    'advert. The terms are shown first; without a terminal to ask at, --yes agrees to them. With --wait the command ends',
    'when the cohort stands; without it, let `btcr2-wallet run` answer what comes next.',
  ].join('\n'),
  options: {
    invite: { type: 'string', value: 'CODE', help: 'invitation code, where the advert asks for one' },
    'listed-key': {
      type: 'string',
      value: 'FILE',
      help: 'file (mode 0600) with the listed key (nsec or hex) that vouches for this wallet, where the advert asks for one',
    },
    scheme: {
      type: 'string',
      value: 'SCHEME',
      help: 'how messages travel: nip44_v2 (unless told), nip04 or nip59, if the advert takes it',
    },
    'allow-fallback': {
      type: 'boolean',
      help: 'agree that others can publish under the beacon without this wallet, where the terms say so (fallback policy)',
    },
    companion: { type: 'boolean', help: 'have the companion take the seat: see companion open' },
    yes: { type: 'boolean', short: 'y', help: 'agree to the terms without being asked' },
    wait: { type: 'boolean', help: 'wait until the cohort stands' },
    ...ADVERT_SOURCE,
    ...NETWORKING,
  },
  async run(invocation) {
    const { json } = invocation;
    if (!isSet(invocation, 'yes') && (json || invocation.io.ask === null))
      throw new UsageError('join asks before it agrees to anything: give --yes where nobody can be asked', 'join');
    const isByCompanion = isSet(invocation, 'companion');
    const other = BY_ITSELF.find(name => isByCompanion && invocation.flags[name] !== undefined);
    if (other) throw new UsageError(`--companion goes without --${other}: the companion joins on plain terms`, 'join');
    const scheme = schemeFlag(invocation);
    const { source, reference } = sourceOfWord(invocation, invocation.positionals[0]!);
    return withWallet(invocation, { online: true }, async ({ port, config, isRunning }) => {
      const adverts = await findAdverts(invocation, port, source, { all: true });
      const { advert } = reference === null ? onlyAdvert(adverts) : findAdvert(reference, adverts);
      refuseOver(advert, invocation.io.now());
      if (!json) invocation.io.out.write(offerText(invocation, advert));
      refuseFallback(invocation, advert);
      await agree(invocation);
      const invite = textFlag(invocation, 'invite');
      const voucher = voucherFlag(invocation, isRunning);
      const joining = isByCompanion
        ? port.companionJoin({ advert })
        : port.join({
            advert,
            ...(voucher === undefined ? {} : { voucher }),
            ...(invite === undefined ? {} : { invite }),
            ...(scheme === undefined ? {} : { scheme }),
            ...(isSet(invocation, 'allow-fallback') ? { allowFallback: true } : {}),
          });
      const isByHand = config.relays.length === 0 || advert.relays.length === 0;
      if (isByHand && isSet(invocation, 'wait'))
        throw new UsageError('--wait waits for what is carried by hand: deliver it instead', 'join');
      const seat = await waiting(invocation, "waiting for the aggregator's answer", joining);
      const done = isByHand ? 'asked to join' : 'joined';
      if (!json) writeLines(invocation, [`${done} ${advert.terms.id} as ${seat.participant_pk}`]);
      if (!isSet(invocation, 'wait')) {
        if (json) writeJson(invocation, { ...seat, advert_id: advert.terms.id, a_year: yearlyCost(advert.terms) });
        if (isByHand) hint(invocation, 'next: btcr2-wallet compose, and carry the opt_in to the aggregator');
        else if (!isRunning && !isByCompanion)
          hint(invocation, 'now keep `btcr2-wallet run` going: the cohort needs the answers of every member');
        return EXIT.ok;
      }
      const ready = await waiting(invocation, 'waiting for the cohort', port.ready(seat.cohort));
      if (json)
        writeJson(invocation, { ...seat, advert_id: advert.terms.id, a_year: yearlyCost(advert.terms), ...ready });
      else
        writeLines(invocation, [
          `ready: ${plural(ready.participant_pubkeys.length, 'member')}, beacon ${ready.beacon_address}`,
        ]);
      return EXIT.ok;
    });
  },
};

/** What a wallet can do at joining that it cannot ask of its companion. */
const BY_ITSELF = ['invite', 'listed-key', 'scheme', 'allow-fallback'];

/** The key signs here and goes nowhere: so not through another process's socket. */
function voucherFlag(invocation: Invocation, isRunning: boolean): DidSigner | undefined {
  const path = textFlag(invocation, 'listed-key');
  if (path === undefined) return undefined;
  if (isRunning)
    throw new Refused('in_use', 'a listed key is not handed to a running wallet: stop it, join, start it again');
  const text = readSecretFile('listed-key', path);
  if (!text.ok) throw new UsageError(text.problems.map(problem => problem.text).join('; '), 'join');
  const secret = parseSecretKey(text.value);
  if (!secret) throw new UsageError('--listed-key names a file with an nsec or 64 hex digits', 'join');
  return {
    publicKey: toHex(curve.publicKey(secret)),
    sign: async hash => curve.signSchnorr(hash, secret, Uint8Array.from(randomBytes(32))),
  };
}

const SCHEMES: readonly Scheme[] = ['nip44_v2', 'nip04', 'nip59'];

function schemeFlag(invocation: Invocation): Scheme | undefined {
  const text = textFlag(invocation, 'scheme');
  const scheme = SCHEMES.find(name => name === text);
  if (text !== undefined && scheme === undefined)
    throw new UsageError(`--scheme is one of ${SCHEMES.join(', ')}`, 'join');
  return scheme;
}

function refuseOver(advert: Advert, now: number): void {
  if (advert.status !== 'open') throw new Refused('not_open', `the advert is ${advert.status}`);
  if (advert.expires_at <= now) throw new Refused('not_open', 'the offer has ended');
}

/** Saying yes to the terms is not enough for this one: what it gives away cannot be taken back. */
function refuseFallback(invocation: Invocation, { terms }: Advert): void {
  if (terms.policy.type === 'fallback' && !isSet(invocation, 'allow-fallback'))
    throw new Refused('fallback_not_allowed', `${FALLBACK_REFUSED} (--allow-fallback)`);
}

/** The terms of an advert with what they mean, for a person to agree to. */
export function offerText(invocation: Invocation, advert: Advert): string {
  const paint = paintOf(invocation);
  const warnings = [...N_OF_N, ...fallbackWarnings(advert.terms)]
    .map(text => `${paint('yellow', '!')} ${text}\n`)
    .join('');
  return `${fields(offerRows(advert, invocation.io.now()), paint)}\n${warnings}`;
}

/** Asks a person to agree, unless `--yes` says so. Throws Refused `declined`. */
export async function agree(invocation: Invocation): Promise<void> {
  if (isSet(invocation, 'yes') || invocation.io.ask === null) return;
  const answer = await invocation.io.ask('Join under these terms? [y/N] ');
  if (!/^y(es)?$/i.test(answer.trim())) throw new Refused('declined', 'not joined');
}
