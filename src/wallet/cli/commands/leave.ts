import { type Command, EXIT, isSet, NETWORKING } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findCohort } from '../refs.ts';

export const leave: Command = {
  name: 'leave',
  arguments: ['COHORT'],
  summary: 'give up a seat in a cohort',
  details: [
    'A seat can be given up until the cohort stands. After that its address needs the signature of every member: the wallet',
    'says that it wants to go, the others are told, and it signs on until the cohort ends (see `succession`). It refuses while',
    'a DID of this wallet still lists the beacon; `exit` takes it out. --force leaves all the same.',
  ].join('\n'),
  options: { ...NETWORKING, force: { type: 'boolean', help: 'even while a DID lists the beacon' } },
  run: invocation =>
    withWallet(invocation, { online: true }, async ({ port, config }) => {
      const { cohort, advert_id } = findCohort(invocation.positionals[0]!, (await port.status()).cohorts);
      await waiting(
        invocation,
        "waiting for the aggregator's answer",
        isSet(invocation, 'force') ? port.leave(cohort, { force: true }) : port.leave(cohort),
      );
      const after = (await port.status()).cohorts.find(view => view.cohort === cohort);
      const stands = after?.phase === 'ready';
      const left = !stands && (config.relays.length > 0 || after?.phase === 'ended');
      const said = after?.leaving === true;
      if (invocation.json) writeJson(invocation, { cohort, advert_id, left, ...(stands ? { said } : {}) });
      else writeLines(invocation, [left ? `left ${advert_id}` : `asked to leave ${advert_id}`]);
      if (said)
        hint(
          invocation,
          'the others know: keep `btcr2-wallet run` going until the cohort ends, and ask `btcr2-wallet succession`',
        );
      else if (!left) hint(invocation, 'next: btcr2-wallet compose, and carry the leave to the aggregator');
      return EXIT.ok;
    }),
};
