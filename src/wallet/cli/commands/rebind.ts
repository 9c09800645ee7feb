import { type Command, EXIT, NETWORKING } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findCohort } from '../refs.ts';

export const rebind: Command = {
  name: 'rebind',
  arguments: ['COHORT'],
  summary: 'go on in a cohort with a new transport key',
  details: [
    'For a wallet that lost the key which its messages in a cohort travel under (`status` says so), or whose key somebody',
    'else may have. The cohort key signs for the new one; without that, nothing helps. Registrations that were under way',
    'have to be made again. With a seed, `init --restore` has to count the new key too (--keys).',
  ].join('\n'),
  options: NETWORKING,
  run: invocation =>
    withWallet(invocation, { online: true }, async ({ port, config, isRunning }) => {
      const { cohort, advert_id } = findCohort(invocation.positionals[0]!, (await port.status()).cohorts);
      const work = port.rebind(cohort);
      const { transport_key } = await waiting(invocation, "waiting for the aggregator's answer", work);
      if (invocation.json) writeJson(invocation, { cohort, advert_id, transport_key });
      else if (config.relays.length === 0)
        writeLines(invocation, [`asked ${advert_id} to take the transport key ${transport_key}`]);
      else writeLines(invocation, [`${advert_id} goes on with the transport key ${transport_key}`]);
      if (config.relays.length === 0)
        hint(invocation, 'next: btcr2-wallet compose, and carry the rebind to the aggregator');
      else if (!isRunning) hint(invocation, 'nobody answers rounds yet: btcr2-wallet run');
      return EXIT.ok;
    }),
};
