import { type Message, type SuccessionStage, toPlainText } from '../messages/index.ts';
import { accept, nothing, refuse, reply } from './answer.ts';
import type { ChainView, Decision, Effect, Env, Input } from './inputs.ts';
import { awaitedDids } from './listing.ts';
import { tell } from './rounds.ts';
import type { Beacon, CohortState, EnvelopeOf, Succession } from './state.ts';

/** Outputs of the beacon that are worth what they cost to move. */
export const movableOutputs = ({ advert }: CohortState, chain: ChainView): ChainView['utxos'] =>
  chain.utxos.filter(({ value_sats }) => value_sats > advert.terms.fee_cap);

/** How far the end of a cohort is; null while there is no view of the chain to tell. */
export function successionStage(state: CohortState, beacon: Beacon, env: Env): SuccessionStage | null {
  const { succession } = beacon;
  if (!succession) return null;
  if (succession.successor?.beacon_address === null) return 'forming';
  const isGone = [...beacon.departures.values()].includes('gone');
  // Nothing is signed any more without the one that is gone: neither an update nor the money waits for that.
  if (!isGone && beacon.keys_deleted.size === 0) {
    if (beacon.round || beacon.ready.size > 0 || awaitedDids(beacon).length > 0) return 'updating';
    if (!env.chain) return null;
    const isUnsettled =
      beacon.spend !== null ||
      beacon.spends.some(spend => spend.purpose !== 'refund' && spend.transaction && !spend.isFinal);
    if (isUnsettled || movableOutputs(state, env.chain).length > 0) return 'moving';
  }
  return keysAwaited(beacon).length > 0 ? 'deleting' : 'over';
}

/** Members whose cohort key is not known to be deleted; nobody waits for one that is gone. */
export const keysAwaited = ({ participant_pubkeys, departures, keys_deleted }: Beacon): string[] =>
  participant_pubkeys.filter(member => departures.get(member) !== 'gone' && !keys_deleted.has(member));

const STAGE_TEXTS: Readonly<Record<SuccessionStage, string>> = {
  forming: 'this cohort ends when its successor is formed: join that one',
  updating: 'this cohort ends: send an update of every DID that takes this beacon out',
  moving: 'this cohort ends: agree where its money goes',
  deleting: 'this cohort ends: delete the cohort key',
  over: 'this cohort is over: proofs are served for ever',
};

/** Who leaves, who is gone, and how far the end is, as one message that is complete in itself. */
function statusMessage(beacon: Beacon): Message {
  const { departures, succession, statuses_told } = beacon;
  const members = (what: 'leaving' | 'gone'): string[] =>
    [...departures].filter(([, departure]) => departure === what).map(([member]) => member);
  const gone = members('gone');
  const words = [
    ...(succession ? [succession.text, STAGE_TEXTS[succession.stage]] : []),
    ...(gone.length === 0
      ? []
      : ['a member is gone, so nothing can be signed here: DIDs change by the beacons under their own keys']),
  ];
  const successor = succession?.successor ?? null;
  return {
    type: 'cohort_status',
    body: {
      beacon_address: beacon.address,
      number: statuses_told,
      leaving: members('leaving'),
      gone,
      succession: succession && {
        stage: succession.stage,
        deadline: succession.deadline,
        successor: successor && {
          terms_hash: successor.terms_hash,
          link: successor.link,
          beacon_address: successor.beacon_address,
        },
      },
      text: toPlainText(words.filter(text => text !== '').join('; '), 1000),
    },
  };
}

/** The newest status again, for one transport key; nothing where there never was one. */
export const statusAgain = (beacon: Beacon, transport: string): Effect[] =>
  beacon.statuses_told === 0 ? [] : [{ type: 'send', to: transport, message: statusMessage(beacon) }];

/** Tells everybody how the cohort stands once an event has changed that. */
const tellAll = (state: CohortState, beacon: Beacon, changes: Partial<Beacon>): Effect[] =>
  tell(
    state,
    beacon.participant_pubkeys,
    statusMessage({ ...beacon, ...changes, statuses_told: beacon.statuses_told + 1 }),
  );

/** The operator ends a cohort. Its successor may be named later, or changed, as long as every key is there to sign. */
export function decideEnd(
  state: CohortState,
  beacon: Beacon,
  { successor, deadline, text }: Extract<Input, { type: 'end_cohort' }>,
): Decision {
  if (beacon.keys_deleted.size > 0) return { drop: 'members have deleted their cohort keys: it has ended' };
  if (successor?.cohort === state.id) return { drop: 'a cohort does not follow itself' };
  const stage = successor?.beacon_address === null ? 'forming' : 'updating';
  const succession: Succession = { successor, deadline, text, stage };
  return accept([{ type: 'succession_begun', ...succession }], ...tellAll(state, beacon, { succession }));
}

/** The stage that follows from it is told by `advanceSuccession`. */
export function decideSuccessorFormed(beacon: Beacon, beacon_address: string): Decision {
  return beacon.succession?.successor?.beacon_address === null
    ? accept([{ type: 'successor_formed', beacon_address }])
    : { drop: 'no successor is waited for' };
}

/** The operator's word about a member, told to all of them: nobody else can know that it will not come back. */
export function decideMark(
  state: CohortState,
  beacon: Beacon,
  { participant_pk, gone }: Extract<Input, { type: 'mark_member' }>,
): Decision {
  if (!beacon.participant_pubkeys.includes(participant_pk)) return { drop: 'no member has this key' };
  if ((beacon.departures.get(participant_pk) === 'gone') === gone) return nothing;
  const departures = new Map(beacon.departures);
  if (gone) departures.set(participant_pk, 'gone');
  else departures.delete(participant_pk);
  return accept([{ type: 'member_marked', participant_pk, gone }], ...tellAll(state, beacon, { departures }));
}

/** A member wants to go. The address needs its signature until everybody has left it: so all are told. */
export function decideLeaving(
  state: CohortState,
  beacon: Beacon,
  envelope: EnvelopeOf<'leave'>,
  member: string,
): Decision {
  const answer = reply(envelope, { type: 'ack', body: { accepted: 'leave' } });
  if (beacon.departures.has(member)) return accept([], answer);
  const departures = new Map(beacon.departures).set(member, 'leaving' as const);
  const { reason } = envelope.body;
  return accept(
    [{ type: 'member_leaving', participant_pk: member, reason }],
    answer,
    ...tellAll(state, beacon, { departures }),
  );
}

/** A member has deleted its key. One that does so in the midst of things has ended the cohort for everybody. */
export function decideKeyDeleted(beacon: Beacon, envelope: EnvelopeOf<'key_deleted'>, member: string): Decision {
  const { body } = envelope;
  if (body.participant_pk !== member)
    return refuse(envelope, 'wrong_member', 'this transport key holds another seat', 'body.participant_pk');
  if (body.beacon_address !== beacon.address)
    return refuse(envelope, 'wrong_address', `this cohort's beacon is ${beacon.address}`, 'body.beacon_address');
  const answer = reply(envelope, { type: 'ack', body: { accepted: 'key_deleted' } });
  return accept(beacon.keys_deleted.has(member) ? [] : [{ type: 'key_deleted', participant_pk: member }], answer);
}

/** Says the next stage to everybody when it is reached. */
export function advanceSuccession(state: CohortState, beacon: Beacon, env: Env): Decision {
  const { succession } = beacon;
  const stage = successionStage(state, beacon, env);
  if (!succession || stage === null || stage === succession.stage) return nothing;
  return accept(
    [{ type: 'succession_moved', stage }],
    ...tellAll(state, beacon, { succession: { ...succession, stage } }),
  );
}
