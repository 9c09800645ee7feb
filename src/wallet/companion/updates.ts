import { toHex } from '../../crypto/index.ts';
import { announcementOf, DidError, parseUpdate, type SignedUpdate } from '../../did/index.ts';
import type { Envelope, RejectionCode } from '../../messages/index.ts';
import { doubtAbout } from '../doubt.ts';
import type { Decision, Effect, Env } from '../inputs.ts';
import { sendUpdate } from '../opportunity.ts';
import type { WalletState, WalletUpdate } from '../state.ts';
import type { Companion } from './pair.ts';
import { addressesIn, placeOf } from './registrations.ts';
import { giveUp, isFree, isInDoubt } from './releases.ts';
import { refuse, toOwner } from './replies.ts';

/**
 * The owner's update, byte for byte. What is refused here is never taken later either: the owner signs another one of that
 * version as soon as it hears of it.
 */
export function decideUpdate(
  state: WalletState,
  companion: Companion,
  envelope: Extract<Envelope, { type: 'did_update' }>,
  env: Env,
): Decision {
  const { body, cohort, id } = envelope;
  const { did, invocation } = body;
  if (isInDoubt(state, did)) return { refuse: `it is in doubt what was signed for ${did}: nothing is taken for it` };
  const read = invocation === undefined ? null : readUpdate(invocation);
  if (!read)
    return refuse(companion, envelope, 'update_invalid', 'a companion takes whole, signed updates', 'body.invocation');
  const { update, announcement, version } = read;
  const updates = state.dids.get(did)?.updates ?? [];
  const known = updates.find(each => each.announcement === announcement);
  const no = (code: RejectionCode, text: string, field: string): Decision => {
    const refused = refuse(companion, envelope, code, text, field);
    const isOpen = known && !isFree(known);
    return isOpen || companion.released.has(announcement)
      ? refused
      : { ...refused, events: giveUp(did, announcement, text, known) };
  };
  if (companion.released.has(announcement))
    return no('version_taken', `it was given up: ${companion.released.get(announcement)!.text}`, 'body.invocation');
  if (known?.cohorts.includes(cohort)) return { events: [], effects: [acknowledge(companion, envelope, read)] };
  const place = placeOf(state, companion, envelope, env);
  if ('code' in place) return no(place.code, place.text, place.field);
  const { membership, beacon } = place;
  if (beacon.registrations.get(did)?.name !== 'held')
    return no('did_not_registered', 'register the DID first', 'body.did');
  const other = updates.find(
    each => each.version === version && each.announcement !== announcement && isHeld(companion, each),
  );
  if (other)
    return no(
      'version_taken',
      `version ${version} has the update ${other.announcement}: withdraw it first`,
      'body.invocation',
    );
  const doubt = doubtAbout(state, state.dids.get(did)!, read);
  if (doubt) return { refuse: doubt };
  const forward = sendUpdate(membership, beacon, did, { update, bare: false, announcement, version });
  return {
    events: [
      { type: 'update_signed', did, version, announcement, update, names: addressesIn(update), cohorts: [cohort] },
      { type: 'companion_ordered', order: `${cohort} update ${announcement}`, envelope_id: id },
    ],
    effects: [...(membership.terms.flow === 'pull' ? [] : [forward]), acknowledge(companion, envelope, read)],
  };
}

const isHeld = ({ released }: Companion, { announcement }: WalletUpdate): boolean => !released.has(announcement);

function readUpdate(invocation: unknown): { update: SignedUpdate; announcement: string; version: number } | null {
  try {
    const update = parseUpdate(invocation);
    return { update, announcement: toHex(announcementOf(update)), version: update.targetVersionId };
  } catch (error) {
    if (error instanceof DidError) return null;
    throw error;
  }
}

/** Says that it is stored here, no more: the aggregator may still refuse it, and then that is told. */
const acknowledge = (
  companion: Companion,
  { cohort, body, id }: Extract<Envelope, { type: 'did_update' }>,
  { announcement, version }: { announcement: string; version: number },
): Effect =>
  toOwner(
    companion,
    cohort,
    {
      type: 'ack',
      body: {
        accepted: 'did_update',
        did: body.did,
        announcement,
        target_version_id: version,
        verified: false,
        state: 'queued',
      },
    },
    id,
  );
