import type { OpportunityEntry } from '../messages/index.ts';
import { accept, refuse, reply } from './answer.ts';
import type { CohortEvent } from './events.ts';
import type { Decision } from './inputs.ts';
import type { Beacon, CohortState, EnvelopeOf, Round } from './state.ts';
import { factsOf, judgeSubmission, queuedEvent } from './updates.ts';

/** The pull flow's answer: one entry for every DID of the member, all of them right or none taken. */
export function decideResponse(
  state: CohortState,
  beacon: Beacon,
  round: Round | null,
  envelope: EnvelopeOf<'update_response'>,
  member: string,
): Decision {
  const { body } = envelope;
  const stage = round?.stage;
  if (stage?.name !== 'presence' || stage.opportunity?.id !== body.opportunity_id)
    return refuse(envelope, 'wrong_session', 'this opportunity is not open', 'body.opportunity_id');
  if (body.beacon_address !== beacon.address)
    return refuse(envelope, 'wrong_address', `this cohort's beacon is ${beacon.address}`, 'body.beacon_address');
  // A reminder crossed with the answer: the first one counts, and the other is answered too, or it would come for ever.
  if (stage.heard.has(member)) return accept([], acknowledge(envelope, knownAmong(beacon, body.entries)));
  const wrong = coverage(beacon, member, body.entries, round!.opened_at);
  if (wrong) return refuse(envelope, 'invalid_message', wrong, 'body.entries');

  const isBlind = state.advert.terms.privacy === 'blinded';
  const events: CohortEvent[] = [];
  const leaves: { index: string; leaf: string }[] = [];
  const announcements: string[] = [];
  for (const [i, entry] of body.entries.entries()) {
    if ('leaf' in entry !== isBlind)
      return refuse(
        envelope,
        'invalid_message',
        isBlind ? 'a blinded tree takes finished leaves only' : 'this advert takes updates, not leaves',
        `body.entries.${i}`,
      );
    if ('leaf' in entry) leaves.push({ index: entry.did, leaf: entry.leaf });
    else if (!('none' in entry)) {
      const judged = judgeSubmission(beacon, member, entry);
      if ('refusal' in judged) {
        const [code, text, at] = judged.refusal;
        return refuse(envelope, code, text, `body.entries.${i}.${at}`);
      }
      if (judged.isNew) events.push(queuedEvent(judged.queued));
      announcements.push(judged.queued.announcement);
    }
  }
  return accept(
    [
      ...events,
      {
        type: 'presence_heard',
        participant_pk: member,
        wants_signal: body.wants_signal && body.entries.length > 0,
        ...(isBlind ? { leaves } : {}),
      },
    ],
    acknowledge(envelope, announcements),
  );
}

const acknowledge = (envelope: EnvelopeOf<'update_response'>, announcements: string[]) =>
  reply(envelope, {
    type: 'ack',
    body: { accepted: 'update_response', opportunity_id: envelope.body.opportunity_id, announcements },
  });

/** Announcements among the entries that are in the queue, whoever answered first for them. */
const knownAmong = (beacon: Beacon, entries: readonly OpportunityEntry[]): string[] =>
  entries.flatMap(entry => {
    if (!('announcement' in entry || 'invocation' in entry)) return [];
    const facts = factsOf(entry);
    const queue = beacon.updates.get(entry.did) ?? [];
    return 'announcement' in facts && queue.some(queued => queued.announcement === facts.announcement)
      ? [facts.announcement]
      : [];
  });

/**
 * Why the entries are not one for each of the member's DIDs; null when they are. One that it came to hold while the
 * question was under way may be missing: the member may have answered before it learned that it holds it.
 */
function coverage(
  beacon: Beacon,
  member: string,
  entries: readonly OpportunityEntry[],
  askedAt: number,
): string | null {
  const answered = new Set(entries.map(entry => entry.did));
  if (answered.size !== entries.length) return 'two entries for one DID';
  for (const { did } of entries)
    if (beacon.registry.get(did)?.member !== member) return `${did} is not registered for you`;
  if (answered.size === (beacon.held.get(member) ?? 0)) return null;
  for (const { did, member: holder, registered_at } of beacon.registry.values())
    if (holder === member && registered_at < askedAt && !answered.has(did)) return `no entry for ${did}`;
  return null;
}
