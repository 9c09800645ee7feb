import { type Given, readDuration, UsageError } from './command-line.ts';
import type { SuccessionApi, SuccessionSummary } from './succession-api.ts';
import { fields, plural, relativeTime, safeText, sats, shortId, table } from './terminal.ts';
import type { View } from './views.ts';

/** Which request to the daemon a command is. Throws UsageError for options that are missing or wrong. */
export function successionMethod(
  name: string,
  cohort: string,
  member: string | undefined,
  given: Given,
): { method: keyof SuccessionApi; params: object } {
  if (name === 'cohort succession') return { method: 'cohortSuccession', params: { cohort } };
  if (name === 'member gone') return { method: 'memberMark', params: { cohort, member, gone: !given.has('back') } };
  const advert = given.text('advert');
  if (name === 'cohort succeed' && advert === undefined)
    throw new UsageError('--advert has to name the advert of the cohort that follows');
  const wait = given.text('deadline-in');
  const deadline_in = wait === undefined ? undefined : readDuration(wait);
  if (deadline_in === null) throw new UsageError('--deadline-in has to be a time, such as 90s, 15m, 2h or 7d');
  const text = given.text('text');
  return {
    method: 'cohortEnd',
    params: {
      cohort,
      ...(advert === undefined ? {} : { advert }),
      ...(deadline_in === undefined ? {} : { deadline_in }),
      ...(text === undefined ? {} : { text }),
    },
  };
}

/** The answer to `cohort succession` and to what changes it. */
export function successionView(summary: SuccessionSummary, { paint, now }: View): string {
  const { stage, successor, deadline, money, listing, members, unknown_dids } = summary;
  const isAwaited = stage === 'forming' || stage === 'updating';
  const head = fields(
    [
      ['cohort', summary.advert_id],
      ['beacon address', summary.beacon_address],
      ['stage', stage ?? 'it goes on'],
      ['last signal', isAwaited && deadline !== null ? `at the latest ${relativeTime(deadline, now)}` : null],
      [
        'successor',
        successor &&
          `${successor.advert_id}: ${successor.phase}, ${successor.seats.taken} of ${successor.seats.min}–${successor.seats.max}` +
            (successor.beacon_address === null ? '' : `, beacon ${successor.beacon_address}`),
      ],
      [
        'still listed by',
        `${plural(listing.length, 'DID')}${unknown_dids === 0 ? '' : `, and perhaps ${unknown_dids} more`}, as far as was told here`,
      ],
      [
        'money',
        money === null ? 'the chain was not read yet' : sats(money.reduce((sum, each) => sum + each.value_sats, 0)),
      ],
      ...summary.waits_for.map((text): [string, string] => ['waits for', text]),
      ...summary.next.map((command): [string, string] => ['next', `btcr2-aggregator ${command}`]),
    ],
    paint,
  );
  const rows = members.map(({ participant_pk, departure, key_deleted }) => [
    shortId(participant_pk),
    departure ?? '–',
    key_deleted ? 'deleted' : 'there',
  ]);
  return `${head}\n${table([{ title: 'MEMBER' }, { title: 'LEAVES' }, { title: 'COHORT KEY' }], rows, paint)}${
    summary.text ? `\n${safeText(summary.text)}\n` : ''
  }`;
}
