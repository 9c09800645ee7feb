import { type Command, EXIT, NETWORKING } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findCohort } from '../refs.ts';

export const leave: Command = {
  name: 'leave',
  arguments: ['COHORT'],
  summary: 'give up a seat in a cohort',
  details: [
    'A seat can be given up until the cohort stands. After that its address needs the signature of every member for good,',
    'and the aggregator or the wallet refuses.',
  ].join('\n'),
  options: NETWORKING,
  run: invocation =>
    withWallet(invocation, { online: true }, async ({ port, config }) => {
      const { cohort, advert_id } = findCohort(invocation.positionals[0]!, (await port.status()).cohorts);
      await waiting(invocation, "waiting for the aggregator's answer", port.leave(cohort));
      const after = (await port.status()).cohorts.find(view => view.cohort === cohort);
      const left = config.relays.length > 0 || after?.phase === 'ended';
      if (invocation.json) writeJson(invocation, { cohort, advert_id, left });
      else writeLines(invocation, [left ? `left ${advert_id}` : `asked to leave ${advert_id}`]);
      if (!left) hint(invocation, 'next: btcr2-wallet compose, and carry the leave to the aggregator');
      return EXIT.ok;
    }),
};
