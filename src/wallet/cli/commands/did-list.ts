import { type Cell, table } from '../../../operator/terminal.ts';
import type { DidView } from '../../api.ts';
import { type Command, EXIT, NETWORKING } from '../command.ts';
import { hint, paintOf, type Reader, writeJson } from '../io.ts';
import { withWallet } from '../open.ts';

export const didList: Command = {
  name: 'did list',
  arguments: [],
  summary: "list this wallet's DIDs",
  options: NETWORKING,
  async run(invocation) {
    const { dids, cohorts } = await withWallet(invocation, { online: false }, ({ port }) => port.status());
    if (invocation.json) writeJson(invocation, dids);
    else if (dids.length === 0) hint(invocation, 'no DIDs yet; make one with: btcr2-wallet did create');
    else {
      const names = new Map(cohorts.map(({ cohort, advert_id }) => [cohort, advert_id]));
      invocation.io.out.write(didTable(dids, names, invocation));
    }
    return EXIT.ok;
  },
};

/** DIDs with where they stand, one row a beacon; `cohortNames` by cohort id. */
export function didTable(
  dids: readonly DidView[],
  cohortNames: ReadonlyMap<string, string>,
  reader: Pick<Reader, 'io'>,
): string {
  const rows = dids.flatMap(({ did, name, beacons, updates }): Cell[][] => {
    const latest = updates.at(-1);
    const update = latest === undefined ? '' : `version ${latest.version} ${latest.state}`;
    if (beacons.length === 0) return [[name ?? '', did, '', '', update]];
    return beacons.map((beacon, i) => [
      i === 0 ? (name ?? '') : '',
      i === 0 ? did : '',
      cohortNames.get(beacon.cohort) ?? beacon.cohort,
      beaconState(beacon),
      i === 0 ? update : '',
    ]);
  });
  const columns = ['NAME', 'DID', 'COHORT', 'STATE', 'LATEST UPDATE'].map(title => ({ title }));
  return table(columns, rows, paintOf(reader));
}

function beaconState({ state, text, missing_proofs, proven }: DidView['beacons'][number]): Cell {
  const missing = missing_proofs > 0 ? `, ${missing_proofs} proofs missing` : '';
  const said = text === null ? '' : `: ${text}`;
  const style = state === 'refused' || missing_proofs > 0 ? ('yellow' as const) : null;
  const isProvisional = !proven && (state === 'registered' || state === 'listed');
  const whole = `${state}${isProvisional ? ', unproven' : ''}${missing}${said}`;
  return style === null ? whole : { text: whole, style };
}
