import type { ExitResult } from '../../succession-api.ts';
import { type Command, EXIT, NETWORKING, numberFlag } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findCohort } from '../refs.ts';

export const exit: Command = {
  name: 'exit',
  arguments: ['COHORT'],
  summary: 'take the beacon of a cohort out of every own DID, by the beacon under its own key',
  details: [
    'The way out when a member is gone, or before `leave`: one update of each DID, announced at once by its own beacon, which',
    'has to hold the fee (see `funding`). An update that this wallet signed for already goes out first, byte for byte the',
    'same; call this again when it is final. The proofs of the old beacon are needed for ever: the wallet keeps them.',
  ].join('\n'),
  options: {
    'fee-cap': { type: 'string', value: 'SATS', help: 'most that each transaction may pay (5000)' },
    ...NETWORKING,
  },
  run: invocation =>
    withWallet(invocation, { online: true }, async ({ port }) => {
      const { cohort } = findCohort(invocation.positionals[0]!, (await port.status()).cohorts);
      const feeCapSats = numberFlag(invocation, 'fee-cap', 1);
      const leaving = port.exit({ cohort, ...(feeCapSats === undefined ? {} : { feeCapSats }) });
      const result = await waiting(invocation, 'announcing the updates', leaving);
      if (invocation.json) writeJson(invocation, result);
      else writeLines(invocation, linesOf(result));
      const failed = result.dids.some(({ state }) => state === 'failed');
      if (result.dids.some(({ text }) => text?.startsWith('unfunded')))
        hint(invocation, 'see `btcr2-wallet funding DID`, pay that address, and ask again');
      return failed ? EXIT.failed : EXIT.ok;
    }),
};

const linesOf = ({ dids, advert_id }: ExitResult): string[] =>
  dids.length === 0
    ? [`no DID of this wallet lists the beacon of ${advert_id}`]
    : dids.map(({ did, state, txid, text }) => {
        const what = {
          left: 'lists it no more',
          announced: `is taken out by ${txid}`,
          again: `had an update that was signed for: it goes out first, by ${txid}; ask again when it is final`,
          failed: 'failed',
        }[state];
        return `${did} ${what}${text === null ? '' : `: ${text}`}`;
      });
