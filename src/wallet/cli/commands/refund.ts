import type { RefundsResult } from '../../refund-api.ts';
import { type Command, EXIT, isSet, NETWORKING } from '../command.ts';
import { writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findCohort } from '../refs.ts';

export const refund: Command = {
  name: 'refund',
  arguments: ['COHORT'],
  summary: 'show what this wallet can give back of the money in a beacon, or give it back',
  details: [
    'Where the terms have refunds, every round signs one of what it leaves in the beacon: to the address in the terms, some',
    'blocks later. They are for when members or the aggregator have gone: --send publishes those whose blocks have passed, and',
    'asks nobody. A session that is still open for such an output then ends without a signal, six blocks later.',
  ].join('\n'),
  options: { ...NETWORKING, send: { type: 'boolean', help: 'Publish the refunds whose delay has passed.' } },
  run: invocation =>
    withWallet(invocation, { online: false }, async ({ port }) => {
      const { cohort } = findCohort(invocation.positionals[0]!, (await port.status()).cohorts);
      const result = await port.refunds({ cohort, ...(isSet(invocation, 'send') ? { send: true } : {}) });
      if (invocation.json) writeJson(invocation, result);
      else writeLines(invocation, linesOf(result));
      return EXIT.ok;
    }),
};

function linesOf({ advert_id, to, refunds, tip_height, without_sats }: RefundsResult): string[] {
  const when = (from: number | null, sent: boolean): string => {
    if (sent) return 'sent';
    if (from === null) return 'later: the output is in no block';
    return from <= tip_height ? 'can be sent now (--send)' : `can be sent in ${from - tip_height} blocks`;
  };
  const lines = refunds.map(
    ({ outpoint, value_sats, txid, from_height, sent }) =>
      `${value_sats} sat of ${outpoint} to ${to}, by ${txid}: ${when(from_height, sent)}`,
  );
  if (without_sats > 0) lines.push(`${without_sats} sat in the beacon of ${advert_id} have no refund here`);
  return lines.length > 0 ? lines : [`there is nothing in the beacon of ${advert_id}`];
}
