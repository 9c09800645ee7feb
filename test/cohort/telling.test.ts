import { describe, expect, test } from 'vitest';
import { type CohortState, decide, evolve } from '../../src/cohort/index.ts';
import { readyAtOnce, requestsUpTo } from '../../src/cohort/telling.ts';
import { answer, type Cohort, deliver, formed, fund, join, register, sentOf, startCohort, update } from './driver.ts';
import { addService, drawHex, type Member, updateOf } from './members.ts';

const COUNT = 46;

/** The state after the first so many events of the log, as a process that died there has it when it starts again. */
const foldedUpTo = (cohort: Cohort, events: number): CohortState =>
  (JSON.parse(JSON.stringify(cohort.log.slice(0, events))) as typeof cohort.log).reduce<CohortState | null>(
    evolve,
    null,
  )!;

describe('a large cohort', () => {
  test('learns in steps who is in it, that it stands, and what to sign; each member once, and after a crash between two steps too', async () => {
    const cohort = formed(
      { cohort_size: { min: 2, max: COUNT } },
      Array.from({ length: COUNT }, (_, i) => `m${i}`),
    );
    const keys = cohort.beacon.participant_pubkeys;
    const transports = keys.map(key => cohort.members.find(({ pk }) => pk === key)!.transport);
    const told = (type: 'cohort_set' | 'cohort_ready' | 'authorize_beacon_signal_request'): string[] =>
      sentOf({ effects: cohort.sent }, type).map(({ to }) => to);
    expect(told('cohort_set')).toEqual(transports);
    expect(told('cohort_ready')).toEqual(transports);
    expect(cohort.beacon.ready_told).toBeUndefined();

    fund(cohort);
    const [first] = cohort.members;
    const controller = register(cohort, first!, 'did of the first');
    cohort.tell(first!, update(cohort, first!, controller.did, await updateOf(controller, addService('large'))));
    deliver(cohort);
    cohort.mine(6);
    deliver(cohort);
    expect(cohort.beacon.signals[0]?.seen.status).toBe('final');
    expect(told('authorize_beacon_signal_request')).toEqual(transports);

    const steps = cohort.log.flatMap((event, i) =>
      'told' in event ? [{ type: event.type, told: event.told, next: i + 1 }] : [],
    );
    expect(steps.map(({ type, told }) => [type, told])).toEqual([
      ['set_proposed', 43],
      ['members_told', 46],
      ['cohort_formed', 43],
      ['members_told', 46],
      ['session_requested', 32],
      ['members_told', 46],
    ]);
    const env = { now: cohort.now, entropy: drawHex('restart'), chain: null };
    const standing = foldedUpTo(cohort, steps[2]!.next);
    const signature = (member: Member) => {
      const set = sentOf({ effects: cohort.sent }, 'cohort_set').find(({ to }) => to === member.transport)!;
      return answer(cohort, member, { ...set, type: 'send', message: { type: 'cohort_set', body: set.body } })!;
    };
    const againBy = (key: string) => {
      const member = cohort.members.find(({ pk }) => pk === key)!;
      const envelope = cohort.envelope(member, signature(member));
      const decision = decide(standing, { type: 'message', envelope, admission: { invites: [], allowlist: [] } }, env);
      if ('drop' in decision) throw new Error(decision.drop);
      return sentOf(decision, 'cohort_ready').map(({ to }) => to);
    };
    // Whoever signed and hears nothing signs again: it is told at once where its turn was, and else in its turn.
    expect(againBy(keys[42]!)).toEqual([transports[42]]);
    expect(againBy(keys[43]!)).toEqual([]);
    const rest = steps.map(({ next }) => {
      const decision = decide(foldedUpTo(cohort, next), { type: 'advance' }, env);
      if ('drop' in decision) throw new Error(decision.drop);
      const sets = sentOf(decision, 'cohort_set').map(({ to }) => to);
      const ready = sentOf(decision, 'cohort_ready').map(({ to }) => to);
      const requests = sentOf(decision, 'authorize_beacon_signal_request').map(({ to }) => to);
      return { sets, ready, requests };
    });
    expect(rest).toEqual([
      { sets: transports.slice(43), ready: [], requests: [] },
      { sets: [], ready: [], requests: [] },
      { sets: [], ready: transports.slice(43), requests: [] },
      { sets: [], ready: [], requests: [] },
      { sets: [], ready: [], requests: transports.slice(32) },
      { sets: [], ready: [], requests: [] },
    ]);
  }, 240_000);

  test('reminds in steps those who did not sign the set, and nobody else', () => {
    const cohort = startCohort({ cohort_size: { min: 2, max: COUNT } });
    for (let i = 0; i < COUNT; i++) join(cohort, `m${i}`);
    const eager = new Set(cohort.members.slice(0, 2));
    deliver(cohort, member => (eager.has(member) ? 'answer' : 'ignore'));
    const before = sentOf({ effects: cohort.sent }, 'cohort_set').length;
    const logged = cohort.log.length;
    cohort.wait(cohort.terms.latency.cohort_set / 2);
    const again = sentOf({ effects: cohort.sent }, 'cohort_set').slice(before);
    const lazy = cohort.members.filter(member => !eager.has(member)).map(({ transport }) => transport);
    expect(new Set(again.map(({ to }) => to))).toEqual(new Set(lazy));
    expect(again).toHaveLength(lazy.length);
    expect(cohort.log.slice(logged).map(({ type }) => type)).toEqual(['reminded', 'members_told', 'members_told']);
    cohort.expectRestartable();
    const rest = cohort.wait(1);
    expect(rest.events).toEqual([]);
  }, 240_000);

  test('is told in fewer at once the more there is to tell: a member at least, and a small cohort in one step', () => {
    expect([3, 44, 45, 1_000, 100_000].map(readyAtOnce)).toEqual([666, 45, 44, 2, 1]);
    const held = (...dids: number[]) => ({
      participant_pubkeys: dids.map((_, i) => `m${i}`),
      held: new Map(dids.map((count, i) => [`m${i}`, count])),
    });
    const upTo = (dids: number[], from: number): number => requestsUpTo(held(...dids) as never, from);
    expect(upTo([1, 1, 1], 0)).toBe(3);
    expect(upTo([500, 500, 500], 1)).toBe(2);
    expect(upTo([60, 4, 1, 1], 0)).toBe(2);
    expect(upTo(Array(40).fill(0), 0)).toBe(32);
    expect(upTo(Array(40).fill(0), 32)).toBe(40);
  });
});
