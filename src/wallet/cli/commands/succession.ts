import type { SuccessionProgress } from '../../succession-api.ts';
import { type Command, EXIT, type Invocation, isSet, NETWORKING, UsageError } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import type { WalletPort } from '../port.ts';
import { findCohort } from '../refs.ts';
import { agree, offerText } from './join.ts';

export const succession: Command = {
  name: 'succession',
  arguments: ['COHORT'],
  summary: 'do the next step about the end of a cohort, and say what comes after it',
  details: [
    'When a cohort ends, or another one follows it, each member goes the same way: join the successor; register its DIDs there,',
    'and take the old beacon out of each by one update, in the last signal of the old cohort; agree to the move of the money;',
    'delete the cohort key. Call this again and again: it does what can be done, and says what is waited for. Nothing is',
    'believed: the successor is joined by you, and the money goes to its address as this wallet saw it formed.',
    '',
    '--alone takes the DIDs out and follows nowhere. --delete-key is for the end: the key cannot be made again, and nothing is',
    'ever signed at that address any more. It is refused while a DID, an update, an open session or money needs the key; the',
    'latter two can be given up with --abandon. Where a companion is the member it is told to, and deletes its key by itself as',
    'soon as nothing needs it; the successor is joined by it, too.',
  ].join('\n'),
  options: {
    alone: { type: 'boolean', help: 'do not follow to the successor' },
    'delete-key': { type: 'boolean', help: 'delete the cohort key, for good' },
    abandon: { type: 'boolean', help: 'with --delete-key: with the money, or the open session, that needs it' },
    yes: { type: 'boolean', short: 'y', help: "agree to the successor's terms without being asked" },
    ...NETWORKING,
  },
  async run(invocation) {
    const [alone, deleteKey, abandon] = ['alone', 'delete-key', 'abandon'].map(name => isSet(invocation, name));
    if (abandon && !deleteKey) throw new UsageError('--abandon goes with --delete-key', 'succession');
    return withWallet(invocation, { online: true }, async ({ port }) => {
      const { cohort } = findCohort(invocation.positionals[0]!, (await port.status()).cohorts);
      const request = {
        cohort,
        ...(alone ? { alone } : {}),
        ...(deleteKey ? { deleteKey } : {}),
        ...(abandon ? { abandon } : {}),
      };
      const step = (): Promise<SuccessionProgress> =>
        waiting(invocation, 'going on with the succession', port.succession(request));
      const first = await step();
      const progress = (await joined(invocation, port, first)) ? await step() : first;
      if (invocation.json) writeJson(invocation, { ...progress, advert: undefined });
      else writeLines(invocation, [...progress.did, `${progress.step}: ${nextText(progress)}`]);
      if (progress.step === 'last_signal' || progress.step === 'moving' || progress.step === 'forming')
        hint(invocation, 'keep `btcr2-wallet run` going, and ask again');
      return EXIT.ok;
    });
  },
};

/** Where nobody could be asked, the terms are shown all the same; the string that the aggregator sent fills a screen. */
const nextText = ({ advert, next }: SuccessionProgress): string =>
  advert === null ? next : `agree to these terms of ${advert.terms.id} by --yes, or go alone (--alone)`;

/** Joins the successor if the person agrees to its terms; false where nobody can be asked. */
async function joined(
  invocation: Invocation,
  port: WalletPort,
  { advert, by_companion }: SuccessionProgress,
): Promise<boolean> {
  if (advert === null) return false;
  const mayAsk = !invocation.json && invocation.io.ask !== null;
  if (!invocation.json) invocation.io.out.write(offerText(invocation, advert));
  if (!isSet(invocation, 'yes') && !mayAsk) return false;
  await agree(invocation);
  const joining = by_companion ? port.companionJoin({ advert }) : port.join({ advert });
  await waiting(invocation, "waiting for the aggregator's answer", joining);
  return true;
}
