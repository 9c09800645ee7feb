import { plural } from '../../../operator/terminal.ts';
import type { CohortView, DidView } from '../../api.ts';
import { type Command, EXIT, isSet, NETWORKING, textFlag } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findCohort, findDid, onlyCohort } from '../refs.ts';

export const register: Command = {
  name: 'register',
  arguments: ['DID'],
  summary: 'register a DID with a cohort, and take the proofs of its past',
  details: [
    "The registration is proven by the DID's key. The answer carries proofs of every earlier signal of the beacon, which",
    "are checked against the wallet's own view of the chain: without them the DID could not list the beacon.",
    '',
    'In a blinded cohort only the index of the DID goes out, unproven, and whoever names it first holds it. If somebody else',
    'did, --disclose wins it back, as long as it was in no signal: it proves control, and so tells the aggregator the DID,',
    'its documents and its updates, for good. The other members are not told.',
  ].join('\n'),
  options: {
    cohort: { type: 'string', value: 'COHORT', help: 'needed where the DID could mean several' },
    disclose: { type: 'boolean', help: 'in a blinded cohort: prove control, which tells the aggregator the DID' },
    ...NETWORKING,
  },
  run: invocation =>
    withWallet(invocation, { online: true }, async ({ port }) => {
      const { dids, cohorts } = await port.status();
      const own = findDid(invocation.positionals[0]!, dids);
      const named = textFlag(invocation, 'cohort');
      const cohort = named === undefined ? meantFor(own, cohorts) : findCohort(named, cohorts);
      const disclose = isSet(invocation, 'disclose');
      const tells = disclose && cohort.terms.privacy === 'blinded';
      if (tells) hint(invocation, `this tells the aggregator of ${cohort.advert_id} that the DID is ${own.did}`);
      const asking = port.register({ did: own.did, cohort: cohort.cohort, ...(disclose ? { disclose } : {}) });
      const done = await waiting(invocation, "waiting for the aggregator's answer", asking);
      if (invocation.json) writeJson(invocation, { ...done, advert_id: cohort.advert_id });
      else if (done.asked) {
        writeLines(invocation, [`asked to register ${done.did} in ${cohort.advert_id}`]);
        hint(invocation, 'next: btcr2-wallet compose, and carry the did_registration to the aggregator');
      } else
        writeLines(invocation, [
          `registered ${done.did} in ${cohort.advert_id}${done.proven ? '' : ' provisionally, without proof of control'}` +
            (done.signals === 0 ? '' : `; proofs of ${plural(done.signals, 'earlier signal')} taken`),
        ]);
      return EXIT.ok;
    }),
};

/** The cohort that the DID's document names, if it is one; else the only cohort that stands. */
function meantFor({ beacons }: DidView, cohorts: readonly CohortView[]): CohortView {
  const standing = cohorts.filter(({ phase }) => phase === 'ready');
  const drafted = beacons.filter(({ state }) => state !== 'registered' && state !== 'listed');
  const named = standing.filter(({ cohort }) => drafted.some(beacon => beacon.cohort === cohort));
  return onlyCohort(named.length === 1 ? named : standing);
}
