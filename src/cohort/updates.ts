import { toHex } from '../crypto/index.ts';
import {
  announcementOf,
  applyUpdate,
  DidError,
  MAX_UPDATE_LENGTH,
  parseUpdate,
  type SignedUpdate,
} from '../did/index.ts';
import type { RejectionCode } from '../messages/index.ts';
import { accept, refuse, reply } from './answer.ts';
import type { CohortEvent } from './events.ts';
import type { Decision } from './inputs.ts';
import { afterUpdate, type Known } from './known.ts';
import type { Beacon, CohortState, EnvelopeOf, QueuedUpdate, Registration } from './state.ts';

/**
 * Seed D1: a signed update for a registered DID. One version, one update, for ever: a newer update of the same
 * version replaces an older one only until it is frozen.
 */
export function decideUpdate(
  state: CohortState,
  beacon: Beacon,
  envelope: EnvelopeOf<'did_update'>,
  member: string,
): Decision {
  const { body } = envelope;
  if (body.beacon_address !== beacon.address)
    return refuse(envelope, 'wrong_address', `this cohort's beacon is ${beacon.address}`, 'body.beacon_address');
  if (body.participant_pk !== member)
    return refuse(envelope, 'wrong_member', 'this transport key belongs to another member', 'body.participant_pk');
  if (state.advert.terms.flow === 'pull')
    return refuse(envelope, 'wrong_phase', 'this advert asks for updates: answer its next opportunity');
  if (beacon.keys_deleted.size > 0)
    return refuse(
      envelope,
      'wrong_phase',
      'members have deleted their cohort keys: this beacon announces nothing more',
    );
  const judged = judgeSubmission(beacon, member, body);
  if ('refusal' in judged) {
    const [code, text, at] = judged.refusal;
    return refuse(envelope, code, text, `body.${at}`);
  }
  const { queued, isNew } = judged;
  const answer = acknowledge(envelope, queued, beacon.updates.get(body.did) ?? []);
  return accept(isNew ? [queuedEvent(queued)] : [], answer);
}

export function queuedEvent({ state: _, received_at: __, ...update }: QueuedUpdate): CohortEvent {
  return { type: 'update_queued', ...update };
}

export interface Submission {
  did: string;
  /** The signed update, or in its place its hash and version. */
  invocation?: Record<string, unknown> | undefined;
  announcement?: string | undefined;
  target_version_id?: number | undefined;
}

export type SubmissionRefusal = [code: RejectionCode, text: string, field: string];

/** Whether a member's update may be queued; a refusal names the field within the submission. */
export function judgeSubmission(
  beacon: Beacon,
  member: string,
  submission: Submission,
): { queued: QueuedUpdate; isNew: boolean } | { refusal: SubmissionRefusal } {
  const { did } = submission;
  const held = beacon.registry.get(did);
  if (!held) return { refusal: ['did_not_registered', 'register the DID first', 'did'] };
  if (held.member !== member) return { refusal: ['did_not_yours', 'another member holds this DID', 'did'] };
  const facts = factsOf(submission);
  if ('refusal' in facts) return facts;
  const { update, announcement, version } = facts;
  const queue = beacon.updates.get(did) ?? [];
  const same = queue.find(queued => queued.announcement === announcement);
  if (same) return { queued: same, isNew: false };

  const judged = update ? judgeVersion(held, queue, update) : judgeNumber(held, queue, version);
  if (judged) return { refusal: update ? judged : [judged[0], judged[1], 'target_version_id'] };
  if (held.deactivated) return { refusal: ['deactivated', 'the DID is deactivated', 'did'] };
  const verified = update ? checkAgainstKnown(held, queue, update) : false;
  if (typeof verified !== 'boolean') return { refusal: ['update_invalid', ...verified] };
  const queued: QueuedUpdate = {
    did,
    member,
    version,
    announcement,
    update,
    verified,
    received_at: 0,
    state: 'queued',
  };
  return { queued, isNew: true };
}

type Facts = { update: SignedUpdate | null; announcement: string; version: number };

/** What is known of a submission. Of a bare hash only the member can tell whether it is right, and answers for it. */
export function factsOf(submission: Submission): Facts | { refusal: SubmissionRefusal } {
  const { invocation, announcement, target_version_id } = submission;
  if (invocation === undefined) return { update: null, announcement: announcement!, version: target_version_id! };
  if (JSON.stringify(invocation).length > MAX_UPDATE_LENGTH)
    return {
      refusal: ['update_too_large', `an update has at most ${MAX_UPDATE_LENGTH} characters`, 'invocation'],
    };
  const update = read(invocation);
  if (update instanceof DidError) return { refusal: ['update_invalid', update.message, `invocation${field(update)}`] };
  return { update, announcement: toHex(announcementOf(update)), version: update.targetVersionId };
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
const FIELD = 'invocation.targetVersionId';

function judgeVersion(held: Registration, queue: QueuedUpdate[], update: SignedUpdate): Refused | null {
  const version = update.targetVersionId;
  const refused = judgeNumber(held, queue, version);
  if (refused) return refused;
  const before = queue.find(queued => queued.version === version - 1);
  return before?.update && update.sourceHash !== before.update.targetHash
    ? ['version_gap', `sourceHash must be the targetHash of version ${before.version}`, 'invocation.sourceHash']
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
    return [error.message, `invocation${field(error)}`];
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
