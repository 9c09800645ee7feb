import type { RefundsResult } from '../../refund-api.ts';
import { type Command, EXIT, isSet, NETWORKING, UsageError } from '../command.ts';
import { waiting, writeJson, writeLines } from '../io.ts';
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
    '',
    '--ask has all members sign the refund of the largest output that has none, such as a deposit that no round has spent yet:',
    'the aggregator begins that between two rounds, and everybody has to answer. Keep `btcr2-wallet run` going, and look again.',
  ].join('\n'),
  options: {
    send: { type: 'boolean', help: 'publish the refunds whose delay has passed' },
    ask: { type: 'boolean', help: 'have the refund of what has none signed by all' },
    ...NETWORKING,
  },
  run: invocation => {
    const [send, ask] = [isSet(invocation, 'send'), isSet(invocation, 'ask')];
    if (send && ask)
      throw new UsageError('--send is for refunds that are held, --ask for those that are not', 'refund');
    return withWallet(invocation, { online: ask }, async ({ port }) => {
      const { cohort } = findCohort(invocation.positionals[0]!, (await port.status()).cohorts);
      const result = await waiting(
        invocation,
        ask ? "waiting for the aggregator's answer" : 'looking at the chain',
        port.refunds({ cohort, ...(send ? { send } : {}), ...(ask ? { ask } : {}) }),
      );
      if (invocation.json) writeJson(invocation, result);
      else writeLines(invocation, linesOf(result));
      return EXIT.ok;
    });
  },
};

function linesOf({ advert_id, to, refunds, tip_height, without_sats, asked }: RefundsResult): string[] {
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
  if (asked !== undefined) lines.push(`the members are asked to sign the refund of ${asked}: look again in a while`);
  return lines.length > 0 ? lines : [`there is nothing in the beacon of ${advert_id}`];
}
