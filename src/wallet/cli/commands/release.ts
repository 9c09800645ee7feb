import { type Command, EXIT, isSet, NETWORKING, UsageError } from '../command.ts';
import { writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findCohort } from '../refs.ts';

export const release: Command = {
  name: 'release',
  arguments: ['COHORT', '[ADDRESS]'],
  summary: 'agree where the money of a beacon goes when it is given up',
  details: [
    'Money leaves a beacon only if every member agreed to the same address, such as that of the cohort that follows it.',
    'Look at the address twice: this wallet then signs the move by itself when the aggregator asks. --withdraw takes the',
    'agreement back; what is signed already stays signed.',
  ].join('\n'),
  options: { ...NETWORKING, withdraw: { type: 'boolean', help: 'Agree to no address any more.' } },
  run: invocation =>
    withWallet(invocation, { online: false }, async ({ port }) => {
      const [name, address] = invocation.positionals;
      const isWithdrawn = isSet(invocation, 'withdraw');
      if (isWithdrawn === (address !== undefined)) throw new UsageError('name an address, or --withdraw', 'release');
      const { cohort, advert_id } = findCohort(name!, (await port.status()).cohorts);
      await port.release({ cohort, to: address ?? null });
      if (invocation.json) writeJson(invocation, { cohort, advert_id, to: address ?? null });
      else
        writeLines(invocation, [
          address === undefined
            ? `the money of ${advert_id} stays where it is`
            : `the money of ${advert_id} may go to ${address}, once every member has agreed to that`,
        ]);
      return EXIT.ok;
    }),
};
