import type {
  AdvertExport,
  AdvertSummary,
  CohortDetail,
  CohortSummary,
  DaemonStatus,
  EvidenceSummary,
  RoundDetail,
  RoundSummary,
  SpendSummary,
} from './api.ts';
import {
  type Cell,
  duration,
  fields,
  ladderText,
  type Paint,
  plural,
  relativeTime,
  type Style,
  safeText,
  sats,
  shortId,
  table,
  thousands,
} from './terminal.ts';

/** What is needed to show things to a person: colours or none, and the time in Unix seconds. */
export interface View {
  readonly paint: Paint;
  readonly now: number;
}

const section = ({ paint }: View, title: string, body: string): string => `\n${paint('bold', title)}\n${body}`;

const yesNo = (is: boolean, yes: string, no: string): Cell =>
  is ? { text: yes, style: 'green' } : { text: no, style: 'red' };

const orDash = (value: string | number | null): string => (value === null ? '–' : String(value));

const seatsOf = ({ seats }: AdvertSummary): string => `${seats.taken} of ${seats.min}–${seats.max}`;

/** Copies from several relays are no news, and not told. */
function droppedText(dropped: DaemonStatus['dropped']): string | null {
  const told = Object.entries(dropped).filter(([reason]) => reason !== 'duplicate');
  return told.length === 0 ? null : told.map(([reason, count]) => `${thousands(count)} ${safeText(reason)}`).join(', ');
}

/** The answer to `status`: the daemon, its relays and its chain, then one block a cohort. */
export function statusView(status: DaemonStatus, view: View): string {
  const { paint } = view;
  const { chain, relays, cohorts } = status;
  const head = fields(
    [
      ['aggregator', `version ${status.version}, process ${status.pid}, up ${duration(status.uptime_seconds)}`],
      ['network', status.network],
      ['identity', status.npub],
      ['did', status.did],
      [
        'chain',
        chain.reachable
          ? { text: `${chain.kind}, height ${chain.height === null ? '–' : thousands(chain.height)}`, style: 'green' }
          : { text: `${chain.kind} does not answer`, style: 'red' },
      ],
      ['hearing', yesNo(status.hearing, 'yes', 'no: deadlines stand still until a relay is heard')],
      ['dropped', droppedText(status.dropped)],
    ],
    paint,
  );
  const relayTable = table(
    [{ title: 'RELAY' }, { title: 'CONNECTED' }, { title: 'TO SEND', align: 'right' }, { title: 'LAST ERROR' }],
    relays.map(({ url, connected, pending, error }) => [
      url,
      yesNo(connected, 'yes', 'no'),
      thousands(pending),
      error ?? '',
    ]),
    paint,
  );
  const blocks =
    cohorts.length === 0
      ? '\nNo cohorts yet: `btcr2-aggregator advert create` offers a beacon.\n'
      : cohorts
          .map(cohort => section(view, `cohort ${safeText(cohort.advert_id)}`, cohortFields(cohort, view)))
          .join('');
  const relayBlock =
    relays.length === 0
      ? '\nNo relay: messages are carried by hand, see `compose` and `deliver`.\n'
      : section(view, `${plural(relays.length, 'relay')}`, relayTable);
  return `${head}${relayBlock}${blocks}`;
}

const STATUS_STYLES: Readonly<Record<string, Style>> = { open: 'green', full: 'cyan', closed: 'dim', cancelled: 'red' };

const statusCell = (status: string): Cell => {
  const style = Object.hasOwn(STATUS_STYLES, status) ? STATUS_STYLES[status] : undefined;
  return style === undefined ? status : { text: status, style };
};

/** The answer to `advert list`. */
export function advertTable(adverts: readonly AdvertSummary[], { paint, now }: View): string {
  if (adverts.length === 0) return 'No adverts yet: `btcr2-aggregator advert create` publishes one.\n';
  return table(
    [
      { title: 'ADVERT' },
      { title: 'COHORT' },
      { title: 'TYPE' },
      { title: 'STATUS' },
      { title: 'SEATS' },
      { title: 'ENDS' },
    ],
    adverts.map(advert => [
      advert.advert_id,
      shortId(advert.cohort),
      advert.type,
      statusCell(advert.status),
      seatsOf(advert),
      relativeTime(advert.expires_at, now),
    ]),
    paint,
  );
}

/** One advert, as `advert create` and `advert close` answer. */
export const advertView = (advert: AdvertSummary, { paint, now }: View): string =>
  fields(
    [
      ['advert', advert.advert_id],
      ['cohort', advert.cohort],
      ['type', advert.type],
      ['status', statusCell(advert.status)],
      ['seats', seatsOf(advert)],
      ['ends', relativeTime(advert.expires_at, now)],
    ],
    paint,
  );

/** The answer to `advert export`: what can be pasted, or made a QR code of. */
export const exportView = ({ link, short_link }: AdvertExport, { paint }: View): string =>
  fields(
    [
      ['link', link],
      ['short link', short_link === link ? null : short_link],
    ],
    paint,
  );

/** The answer to `cohort list`. */
export function cohortTable(cohorts: readonly CohortSummary[], { paint }: View): string {
  if (cohorts.length === 0) return 'No cohorts yet: `btcr2-aggregator advert create` offers a beacon.\n';
  return table(
    [
      { title: 'ADVERT' },
      { title: 'COHORT' },
      { title: 'PHASE' },
      { title: 'SEATS' },
      { title: 'DIDS', align: 'right' },
      { title: 'WAITING', align: 'right' },
      { title: 'SIGNALS', align: 'right' },
      { title: 'BALANCE', align: 'right' },
      { title: 'ROUND' },
    ],
    cohorts.map(cohort => [
      cohort.advert_id,
      shortId(cohort.cohort),
      cohort.phase,
      seatsOf(cohort),
      thousands(cohort.dids),
      thousands(cohort.pending_updates),
      thousands(cohort.signals),
      cohort.balance_sats === null ? '–' : sats(cohort.balance_sats),
      cohort.alarms.length === 0
        ? cohort.round
        : { text: `${plural(cohort.alarms.length, 'alarm')}; ${cohort.round}`, style: 'red' },
    ]),
    paint,
  );
}

function cohortFields(cohort: CohortSummary, { paint, now }: View): string {
  const { runway } = cohort;
  const isOffer = cohort.phase === 'recruiting' || cohort.phase === 'confirming';
  return fields(
    [
      ['cohort', cohort.cohort],
      ['phase', cohort.phase],
      ['seats', seatsOf(cohort)],
      ['offer ends', isOffer ? relativeTime(cohort.expires_at, now) : null],
      ['beacon address', cohort.beacon_address],
      ['balance', cohort.balance_sats === null ? null : sats(cohort.balance_sats)],
      [
        'pays for',
        runway &&
          `${plural(runway.at_cap, 'round')} at the fee cap, ${thousands(runway.at_estimate)} at the present estimate`,
      ],
      ['suggested deposit', cohort.suggested_deposit_sats === null ? null : sats(cohort.suggested_deposit_sats)],
      ['dids', plural(cohort.dids, 'DID')],
      ['waiting', plural(cohort.pending_updates, 'update')],
      ['signals', thousands(cohort.signals)],
      ['round', cohort.round],
      ...cohort.alarms.map((text): [string, Cell] => ['alarm', { text, style: 'red' }]),
    ],
    paint,
  );
}

const policyText = (policy: CohortDetail['terms']['policy']): string =>
  policy.type === 'keypath'
    ? 'keypath: all members together, and nobody else'
    : `fallback: all members; or all but one; or after ${plural(policy.recovery_delay_blocks, 'block')} the recovery key ${policy.recovery_key} alone`;

/** The answer to `cohort show`. */
export function cohortView(cohort: CohortDetail, view: View): string {
  const { paint, now } = view;
  const { terms } = cohort;
  const termFields = fields(
    [
      ['type', `${terms.type}, bit order ${terms.bit_order}, OP_RETURN ${terms.signal_output}`],
      ['policy', policyText(terms.policy)],
      ['form', `${terms.flow}, privacy ${terms.privacy}, ${terms.communication.join(' ')}`],
      ['admission', `${terms.admission}${terms.unproven_dids ? ', DIDs without proof' : ''}`],
      ['fee cap', `${sats(terms.fee_cap)} a signal, funded by ${terms.funder}`],
      ['fee ladder', terms.fee_ladder ? ladderText(terms.fee_ladder) : null],
      [
        'price',
        `${sats(terms.financials.enrolment)} a seat, ${sats(terms.financials.per_announcement)} an announcement` +
          (terms.financials.text === undefined ? '' : `: ${terms.financials.text}`),
      ],
      [
        'frequency',
        `every ${duration(terms.frequency.interval)} or at ${plural(terms.frequency.pending_updates, 'update')}, ` +
          `${duration(terms.frequency.min_interval)} apart`,
      ],
      [
        'deadlines',
        `set ${duration(terms.latency.cohort_set)}, presence ${duration(terms.latency.presence)}, ` +
          `nonce ${duration(terms.latency.nonce)}, signature ${duration(terms.latency.signature)}`,
      ],
      ['DIDs a member', `${thousands(terms.dids.min)} to ${thousands(terms.dids.max)}`],
    ],
    paint,
  );
  const members = table(
    [
      { title: 'MEMBER' },
      { title: 'TRANSPORT' },
      { title: 'SEATED' },
      { title: 'DIDS', align: 'right' },
      { title: 'HEARD' },
    ],
    cohort.members.map(member => [
      member.participant_pk,
      shortId(member.transport),
      relativeTime(member.seated_at, now),
      thousands(member.dids),
      member.heard === null ? '–' : yesNo(member.heard, 'yes', 'not yet'),
    ]),
    paint,
  );
  const dids = table(
    [
      { title: 'DID' },
      { title: 'MEMBER' },
      { title: 'PROVEN' },
      { title: 'VERSION', align: 'right' },
      { title: 'WAITING', align: 'right' },
    ],
    cohort.registered.map(({ did, member, proven, version, pending }) => [
      did,
      shortId(member),
      yesNo(proven, 'yes', 'no'),
      orDash(version),
      orDash(pending),
    ]),
    paint,
  );
  return [
    fields([['advert', cohort.advert_id]], paint) + cohortFields(cohort, view),
    section(view, 'terms', termFields),
    section(view, plural(cohort.members.length, 'member'), cohort.members.length === 0 ? '' : members),
    section(view, plural(cohort.registered.length, 'DID'), cohort.registered.length === 0 ? '' : dids),
    section(
      view,
      plural(cohort.rounds.length, 'round'),
      cohort.rounds.length === 0 ? '' : roundTable(cohort.rounds, view),
    ),
  ].join('');
}

/** The answer to `alarm list`. */
export function alarmTable({ alarm_details }: CohortDetail, { paint, now }: View): string {
  if (alarm_details.length === 0) return 'No alarms.\n';
  return table(
    [{ title: 'ALARM' }, { title: 'SINCE' }, { title: 'ROUNDS' }, { title: 'WHAT' }],
    alarm_details.map(({ key, at, halts, dismissed, text }) => [
      key,
      relativeTime(at, now),
      dismissed ? 'looked at' : halts ? { text: 'halted', style: 'red' } : 'go on',
      text,
    ]),
    paint,
  );
}

/** The answer to `round list`. */
export function roundTable(rounds: readonly RoundSummary[], { paint }: View): string {
  if (rounds.length === 0) return 'No rounds yet.\n';
  return table(
    [
      { title: 'ROUND', align: 'right' },
      { title: 'STAGE' },
      { title: 'ATTEMPT', align: 'right' },
      { title: 'UPDATES', align: 'right' },
      { title: 'HEIGHT', align: 'right' },
      { title: 'TXID' },
      { title: 'STATUS' },
    ],
    rounds.map(round => [
      String(round.round),
      round.stage,
      String(round.attempt),
      thousands(round.updates),
      orDash(round.height),
      round.txid === null ? '–' : shortId(round.txid),
      orDash(round.status),
    ]),
    paint,
  );
}

/** The answer to `spend list`. */
export function spendTable(spends: readonly SpendSummary[], { paint }: View): string {
  if (spends.length === 0) return 'No spends.\n';
  return table(
    [{ title: 'PURPOSE' }, { title: 'STATUS' }, { title: 'VALUE', align: 'right' }, { title: 'TO' }, { title: 'TXID' }],
    spends.map(spend => [spend.purpose, spend.status, sats(spend.outpoint.value_sats), spend.to, shortId(spend.txid)]),
    paint,
  );
}

/** The answer to what begins a spend. */
export const spendView = (spend: SpendSummary, { paint }: View): string =>
  fields(
    [
      ['purpose', spend.purpose],
      ['status', `asked: ${spend.heard} of ${spend.members} members have answered`],
      ['session', spend.session_id],
      ['output', `${spend.outpoint.txid}:${spend.outpoint.vout}, ${sats(spend.outpoint.value_sats)}`],
      ['to', spend.to],
      ['fee', sats(spend.fee_sats)],
      ['txid', spend.txid],
    ],
    paint,
  );

const feeText = ({ step }: RoundDetail): string =>
  step === null || step.of === 1 ? '' : `, step ${step.number} of ${step.of}`;

/** The answer to `round show`. */
export function roundView(round: RoundDetail, view: View): string {
  const { paint } = view;
  const { outpoint } = round;
  const head = fields(
    [
      ['round', String(round.round)],
      ['stage', round.stage],
      ['status', round.status],
      ['attempt', String(round.attempt)],
      ['session', round.session_id],
      ['signal bytes', round.signal_bytes],
      ['outpoint', outpoint && `${outpoint.txid}:${outpoint.vout}, ${sats(outpoint.value_sats)}`],
      ['fee', round.fee_sats === null ? null : `${sats(round.fee_sats)}${feeText(round)}`],
      ['txid', round.txid],
      ['height', round.height === null ? null : thousands(round.height)],
      ['map', round.map_cid && `${round.map_cid}${round.map_published ? ', published' : ''}`],
      ['transaction', round.hex],
    ],
    paint,
  );
  const sessions = table(
    [{ title: 'OPEN SESSION' }, { title: 'ATTEMPT', align: 'right' }, { title: 'AUTHORIZED' }],
    round.open_sessions.map(open => [open.session_id, String(open.attempt), `${open.authorized} of ${open.members}`]),
    paint,
  );
  const updates = table(
    [{ title: 'DID' }, { title: 'VERSION', align: 'right' }, { title: 'ANNOUNCEMENT' }, { title: 'CID' }],
    round.announcements.map(({ did, version, announcement, cid }) => [did, String(version), announcement, cid]),
    paint,
  );
  return [
    head,
    round.open_sessions.length === 0 ? '' : `\n${sessions}`,
    round.announcements.length === 0 ? '' : `\n${updates}`,
  ].join('');
}

/** The answer to `evidence list`. */
export function evidenceTable(rows: EvidenceSummary[], { paint, now }: View): string {
  if (rows.length === 0) return 'No member signed anything against the protocol.\n';
  return table(
    [
      { title: 'ID', align: 'right' },
      { title: 'COHORT' },
      { title: 'WHEN' },
      { title: 'ROUND', align: 'right' },
      { title: 'REASON' },
      { title: 'MEMBER' },
    ],
    rows.map(({ id, cohort, at, round, reason, participant_pk }) => [
      String(id),
      shortId(cohort),
      relativeTime(at, now),
      orDash(round),
      reason,
      participant_pk,
    ]),
    paint,
  );
}
