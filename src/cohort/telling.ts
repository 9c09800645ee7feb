import { accept, nothing } from './answer.ts';
import type { Decision, Effect } from './inputs.ts';
import type { Beacon, Phase } from './state.ts';

type Confirming = Extract<Phase, { name: 'confirming' }>;

/**
 * What goes to every member and is large goes out in steps, each with a fact of how far it came: all of it at once would
 * take hundreds of megabytes, and nobody would be heard for seconds. A restart goes on where the log ends.
 */
const SIGNATURES_AT_ONCE = 2_000;
const MEMBERS_AT_ONCE = 32;
const PROOFS_AT_ONCE = 64;

/** How many members of a cohort of `count` get in one step what holds something of everybody: the set, and its signatures. */
export const readyAtOnce = (count: number): number => Math.max(1, Math.floor(SIGNATURES_AT_ONCE / count));

/** Up to which member, by its place in the set, a round's request goes out in the step that begins at `from`. */
export function requestsUpTo({ participant_pubkeys, held }: Beacon, from: number): number {
  let proofs = 0;
  let upTo = from;
  for (const member of participant_pubkeys.slice(from, from + MEMBERS_AT_ONCE)) {
    proofs += held.get(member) ?? 0;
    if (upTo > from && proofs > PROOFS_AT_ONCE) break;
    upTo++;
  }
  return upTo;
}

/** Left out where all were told: so it is in small cohorts, and in every log that was written before. */
export const toldField = (told: number, count: number): { told?: number } => (told < count ? { told } : {});

/** Sends the proposed set to the next members who did not sign it. */
export function advanceSetOut(
  { participant_pubkeys: all, signatures }: Confirming,
  from: number,
  send: (member: string) => Effect,
): Decision {
  const members: string[] = [];
  let told = from;
  for (const member of all.slice(from)) {
    if (!signatures.has(member) && members.length === readyAtOnce(all.length)) break;
    if (!signatures.has(member)) members.push(member);
    told++;
  }
  return accept([{ type: 'members_told', what: 'set', told }], ...members.map(send));
}

/** Whether the word that the cohort stands went out to this member. */
export const isToldReady = ({ participant_pubkeys, ready_told }: Beacon, member: string): boolean =>
  ready_told === undefined || participant_pubkeys.indexOf(member) < ready_told;

/** Tells the next members that the cohort stands; nothing where all know. */
export function advanceReady(beacon: Beacon, send: (member: string) => Effect): Decision {
  const { participant_pubkeys, ready_told } = beacon;
  if (ready_told === undefined) return nothing;
  const told = Math.min(ready_told + readyAtOnce(participant_pubkeys.length), participant_pubkeys.length);
  return accept(
    [{ type: 'members_told', what: 'ready', told }],
    ...participant_pubkeys.slice(ready_told, told).map(send),
  );
}

/** Sends the request of the open question to the next members; nothing where all have it. */
export function advanceRequests(beacon: Beacon, from: number, ask: (members: readonly string[]) => Effect[]): Decision {
  const told = requestsUpTo(beacon, from);
  return accept(
    [{ type: 'members_told', what: 'request', told }],
    ...ask(beacon.participant_pubkeys.slice(from, told)),
  );
}
