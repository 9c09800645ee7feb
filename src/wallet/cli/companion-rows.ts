import { type Cell, plural, relativeTime, safeText, sats } from '../../operator/terminal.ts';
import type { CompanionPolicyView, CompanionView } from '../api.ts';
import type { Reader } from './io.ts';

/** Seconds of silence after which a companion is worth a look. */
const SILENT = 86_400;
/** Seconds before its end from which on a policy is worth renewing. */
const SOON = 7 * 86_400;

/** A policy for people. */
export const policyRows = (held: CompanionPolicyView | null, { io }: Pick<Reader, 'io'>): [string, Cell | null][] => {
  if (held === null) return [['policy', { text: 'none yet: nothing is signed', style: 'yellow' }]];
  const away = held.expires_at - io.now();
  const ends =
    away <= 0
      ? `ended ${relativeTime(held.expires_at, io.now())}: nothing is signed; renew it`
      : `ends ${relativeTime(held.expires_at, io.now())}`;
  return [
    ['policy', held.revoked ? { text: `${held.version}: revoked`, style: 'red' } : String(held.version)],
    ['', held.revoked ? null : { text: ends, style: away <= 0 ? 'red' : away < SOON ? 'yellow' : 'green' }],
    ['fee cap', held.revoked ? null : sats(held.fee_cap)],
    ['cohorts', held.cohorts.length === 0 ? null : held.cohorts.join(' ')],
    ['DIDs', held.dids.length === 0 ? null : held.dids.join(' ')],
  ];
};

/** A companion and its owner for people. */
export function companionRows(view: CompanionView, reader: Pick<Reader, 'io'>): [string, Cell | null][] {
  const now = reader.io.now();
  const failed = view.not_joined.map(({ cohort, text }): [string, Cell] => [
    'not joined',
    { text: `${cohort.slice(0, 12)}: ${safeText(text)}`, style: 'yellow' },
  ]);
  if (view.role === 'companion')
    return [
      ['companion', view.companion],
      [
        'owner',
        view.owner ?? {
          text: `none: waits for one, ${view.pairing_expires_at! > now ? `until ${relativeTime(view.pairing_expires_at!, now)}` : 'and its string has expired: companion open'}`,
          style: 'yellow',
        },
      ],
      ...policyRows(view.policy, reader),
      [
        'to tell',
        view.unacknowledged === 0
          ? null
          : `${plural(view.unacknowledged, 'signature')} that the owner has not heard of`,
      ],
      ...failed,
    ];
  return [
    ['companion', view.companion],
    ['state', view.phase === 'ended' ? { text: `ended: ${safeText(view.reason ?? '')}`, style: 'red' } : view.phase],
    ['heard', view.heard_at === null ? 'never' : heardText(view.heard_at, now)],
    ['says', view.text === null ? null : { text: safeText(view.text), style: 'yellow' }],
    ...policyRows(view.policy, reader),
    [
      'in force',
      view.policy !== null && view.policy.version !== view.policy_in_force
        ? { text: `version ${view.policy_in_force}: the companion has not taken the newest`, style: 'yellow' }
        : null,
    ],
    ...failed,
  ];
}

const heardText = (at: number, now: number): Cell =>
  now - at < SILENT
    ? relativeTime(at, now)
    : {
        text: `${relativeTime(at, now)}: is it running? While it is not, its cohorts are blocked; if it is lost, its cohort keys are gone and DIDs leave by their own beacons (companion revoke --lost)`,
        style: 'yellow',
      };
