import { sats, shortId } from '../../operator/terminal.ts';
import type { Announced, CohortView, ViaSingleton } from '../api.ts';
import { type Invocation, listFlag, numberFlag, type Options, textFlag, UsageError } from './command.ts';
import { hint, writeJson, writeLines } from './io.ts';
import { findCohort } from './refs.ts';

/** Options that say through which beacons an update goes. */
export const SENDING = {
  cohort: {
    type: 'string',
    multiple: true,
    value: 'COHORT',
    help: 'only to this cohort; all that hold the DID unless told',
  },
  via: { type: 'string', value: 'singleton', help: "announce by the beacon under the DID's own key" },
  'fee-cap': { type: 'string', value: 'SATS', help: 'most that this signal may cost; 5,000 unless told' },
} as const satisfies Options;

/** The own beacon, if it was asked for. Throws UsageError for another one, and for a fee cap that would cap nothing. */
export function viaOf(invocation: Invocation, command: string): ViaSingleton {
  const via = textFlag(invocation, 'via');
  const feeCapSats = numberFlag(invocation, 'fee-cap', 1);
  if (via !== undefined && via !== 'singleton') throw new UsageError('--via takes singleton', command);
  if (via === undefined && feeCapSats !== undefined)
    throw new UsageError('--fee-cap needs --via singleton: in a cohort the advert caps the fee', command);
  return { ...(via === undefined ? {} : { via }), ...(feeCapSats === undefined ? {} : { feeCapSats }) };
}

/** The cohorts that were named; nothing if none was. */
export function cohortsOf(invocation: Invocation, known: readonly CohortView[]): { cohorts?: string[] } {
  const named = listFlag(invocation, 'cohort');
  return named === undefined ? {} : { cohorts: named.map(name => findCohort(name, known).cohort) };
}

/** Tells what was sent where. */
export function showAnnounced(invocation: Invocation, done: Announced, isByHand = false): void {
  if (invocation.json) {
    writeJson(invocation, done);
    return;
  }
  const { singleton } = done;
  writeLines(invocation, [
    `version ${done.version} of ${done.did} is ${done.state}`,
    `announcement ${done.announcement}`,
    ...(singleton === undefined
      ? []
      : [`signal ${singleton.txid} from ${singleton.address}, fee ${sats(singleton.fee_sats)}`]),
  ]);
  if (singleton !== undefined && singleton.text !== null)
    hint(invocation, `the node has not taken it yet: ${singleton.text}; \`btcr2-wallet run\` sends it again`);
  if (done.state === 'signed' && done.cohorts.length > 0 && isByHand)
    hint(invocation, 'next: btcr2-wallet compose, and carry what it writes to the aggregator');
  else if (done.state === 'signed' && done.cohorts.length > 0)
    hint(
      invocation,
      `${done.cohorts.map(shortId).join(', ')} asks for updates: keep \`btcr2-wallet run\` going, it answers with this one`,
    );
}
