import { type Command, EXIT, NETWORKING } from '../command.ts';
import { waiting, writeJson, writeLines } from '../io.ts';
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
    withWallet(invocation, { online: true }, async ({ port }) => {
      const { cohort, advert_id } = findCohort(invocation.positionals[0]!, (await port.status()).cohorts);
      await waiting(invocation, "waiting for the aggregator's answer", port.leave(cohort));
      if (invocation.json) writeJson(invocation, { cohort, advert_id, left: true });
      else writeLines(invocation, [`left ${advert_id}`]);
      return EXIT.ok;
    }),
};
