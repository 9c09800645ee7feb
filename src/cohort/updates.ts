import { toHex } from '../crypto/index.ts';
import {
  announcementOf,
  applyUpdate,
  DidError,
  MAX_UPDATE_LENGTH,
  parseUpdate,
  type SignedUpdate,
} from '../did/index.ts';
import { accept, refuse, reply } from './answer.ts';
import type { Decision } from './inputs.ts';
import { afterUpdate, type Known } from './known.ts';
import type { Beacon, CohortState, EnvelopeOf, QueuedUpdate, Registration } from './state.ts';

/**
 * Seed D1: a signed update for a registered DID. One version, one update, for ever: a newer update of the same
 * version replaces an older one only until it is frozen.
 */
export function decideUpdate(
  _state: CohortState,
  beacon: Beacon,
  envelope: EnvelopeOf<'did_update'>,
  member: string,
): Decision {
  const { body } = envelope;
  if (body.beacon_address !== beacon.address)
    return refuse(envelope, 'wrong_address', `this cohort's beacon is ${beacon.address}`, 'body.beacon_address');
  if (body.participant_pk !== member)
    return refuse(envelope, 'wrong_member', 'this transport key belongs to another member', 'body.participant_pk');
  const held = beacon.registry.get(body.did);
  if (!held) return refuse(envelope, 'did_not_registered', 'register the DID first', 'body.did');
  if (held.member !== member) return refuse(envelope, 'did_not_yours', 'another member holds this DID', 'body.did');

  if (JSON.stringify(body.invocation).length > MAX_UPDATE_LENGTH)
    return refuse(
      envelope,
      'update_too_large',
      `an update has at most ${MAX_UPDATE_LENGTH} characters`,
      'body.invocation',
    );
  const update = read(body.invocation);
  if (update instanceof DidError)
    return refuse(envelope, 'update_invalid', update.message, `body.invocation${field(update)}`);
  const announcement = toHex(announcementOf(update));
  const queue = beacon.updates.get(body.did) ?? [];
  const same = queue.find(queued => queued.announcement === announcement);
  if (same) return accept([], acknowledge(envelope, same, queue));

  const judged = judgeVersion(held, queue, update);
  if (judged) return refuse(envelope, ...judged);
  if (held.deactivated) return refuse(envelope, 'deactivated', 'the DID is deactivated', 'body.did');
  const checked = checkAgainstKnown(held, queue, update);
  if (typeof checked !== 'boolean') return refuse(envelope, 'update_invalid', ...checked);

  const queued: QueuedUpdate = {
    did: body.did,
    member,
    version: update.targetVersionId,
    announcement,
    update,
    verified: checked,
    received_at: 0,
    state: 'queued',
  };
  const { state: _, received_at: __, ...event } = queued;
  return accept([{ type: 'update_queued', ...event }], acknowledge(envelope, queued, queue));
}

function read(invocation: unknown): SignedUpdate | DidError {
  try {
    return parseUpdate(invocation);
  } catch (error) {
    if (error instanceof DidError) return error;
    throw error;
  }
}

const field = (error: DidError): string => (error.detail.field ? `.${error.detail.field}` : '');

type Refused = ['version_taken' | 'version_gap', string, string];
const FIELD = 'body.invocation.targetVersionId';

function judgeVersion(held: Registration, queue: QueuedUpdate[], update: SignedUpdate): Refused | null {
  const version = update.targetVersionId;
  const refused = judgeNumber(held, queue, version);
  if (refused) return refused;
  const before = queue.find(queued => queued.version === version - 1);
  return before && update.sourceHash !== before.update.targetHash
    ? ['version_gap', `sourceHash must be the targetHash of version ${before.version}`, 'body.invocation.sourceHash']
    : null;
}

function judgeNumber(held: Registration, queue: QueuedUpdate[], version: number): Refused | null {
  const rival = queue.find(queued => queued.version === version);
  if (rival)
    return rival.state === 'queued'
      ? null
      : ['version_taken', `version ${version} has an update that is ${rival.state}: ${rival.announcement}`, FIELD];
  const newest = queue.at(-1);
  if (newest && version <= newest.version)
    return ['version_taken', `version ${newest.version} is queued already`, FIELD];
  if (newest && newest.state !== 'final') {
    if (version !== newest.version + 1) return ['version_gap', `the next version is ${newest.version + 1}`, FIELD];
    return newest.state === 'queued'
      ? ['version_gap', `version ${newest.version} may still be replaced: send this when it is frozen`, FIELD]
      : null;
  }
  const base = Math.max(newest?.version ?? 1, held.known?.version ?? 1);
  if (version <= base) return ['version_taken', `the DID is at version ${base}`, FIELD];
  if (held.known && version !== base + 1)
    return [
      'version_gap',
      `the document known here is version ${base}: register the DID again with its newer sidecar`,
      FIELD,
    ];
  return null;
}

/** True: checked in full. False: the document is not known here, or not yet. Else why it would destroy the DID. */
function checkAgainstKnown(
  held: Registration,
  queue: QueuedUpdate[],
  update: SignedUpdate,
): boolean | [text: string, field: string] {
  const known = versionBefore(held, queue, update.targetVersionId);
  if (!known) return false;
  try {
    applyUpdate({ did: held.did, document: known.document, versionId: known.version, update });
    return true;
  } catch (error) {
    if (!(error instanceof DidError)) throw error;
    return [error.message, `body.invocation${field(error)}`];
  }
}

/** The version that an update is made for: the known one, or what the queue will have made of it by then. */
function versionBefore(held: Registration, queue: QueuedUpdate[], version: number): Known | null {
  let known = held.known;
  for (const queued of queue)
    if (known && queued.version > known.version && queued.version < version) known = afterUpdate(known, queued);
  return known?.version === version - 1 ? known : null;
}

function acknowledge(envelope: EnvelopeOf<'did_update'>, queued: QueuedUpdate, queue: QueuedUpdate[]) {
  const waits =
    queued.state === 'queued' && queue.some(each => each.version < queued.version && each.state !== 'final');
  return reply(envelope, {
    type: 'ack',
    body: {
      accepted: 'did_update',
      did: queued.did,
      announcement: queued.announcement,
      target_version_id: queued.version,
      verified: queued.verified,
      state: waits ? 'waiting' : ackState(queued.state),
    },
  });
}

const ackState = (state: QueuedUpdate['state']) =>
  state === 'final' ? 'announced' : state === 'returned' ? 'frozen' : state;

/** The updates that a round could announce now: for each DID the lowest version that is not on its way yet. */
export function announceable(beacon: Beacon): QueuedUpdate[] {
  const ready: QueuedUpdate[] = [];
  for (const did of beacon.ready) {
    const next = beacon.updates.get(did)?.find(queued => queued.state !== 'final');
    if (next) ready.push(next);
  }
  return ready;
}
