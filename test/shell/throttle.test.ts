import { expect, test } from 'vitest';
import { type NostrEvent, powOf } from '../../src/nostr/index.ts';
import { createDoor } from '../../src/shell/door.ts';
import { createDrops } from '../../src/shell/drops.ts';
import { createBucket, createThrottle } from '../../src/shell/throttle.ts';

function clock(start = 1_000) {
  const time = { now: start };
  return { time, now: () => time.now };
}

const visit = (id: string, done: string[], bytes = 1) => ({ id, bytes, run: () => void done.push(id) });

test('a bucket holds its burst, refills by the second, and never more; a clock that goes back refills nothing', () => {
  const { time, now } = clock();
  const bucket = createBucket({ perSecond: 2, burst: 3 }, now);
  for (let i = 0; i < 3; i++) bucket.take(1);
  expect(bucket.has(1)).toBe(false);
  time.now -= 500;
  expect(bucket.has(1)).toBe(false);
  time.now += 1;
  expect(bucket.has(2)).toBe(true);
  expect(bucket.has(3)).toBe(false);
  time.now += 1_000;
  expect(bucket.has(3)).toBe(true);
  bucket.take(3);
  expect(bucket.has(1)).toBe(false);
});

test('what is larger than a bucket passes when the bucket is full: it would wait for ever', () => {
  const { time, now } = clock();
  const bucket = createBucket({ perSecond: 1, burst: 10 }, now);
  expect(bucket.has(25)).toBe(true);
  bucket.take(25);
  time.now += 20;
  expect(bucket.has(25)).toBe(false);
  time.now += 5;
  expect(bucket.has(25)).toBe(true);
});

test('who comes too fast waits in its turn and order, once each, and is then turned away; others are not touched', () => {
  const { time, now } = clock();
  const done: string[] = [];
  const throttle = createThrottle({
    visits: { perSecond: 1, burst: 2 },
    waiting: { visits: 3, bytes: 100 },
    now,
  });
  const offer = (visitor: string, id: string, bytes = 1) => throttle.offer(visitor, visit(id, done, bytes));
  expect(['a', 'b'].map(id => offer('flood', id))).toEqual(['now', 'now']);
  expect(['c', 'c', 'd', 'e', 'f'].map(id => offer('flood', id))).toEqual(['later', 'later', 'later', 'later', 'full']);
  expect(offer('quiet', 'q')).toBe('now');
  throttle.pump();
  expect(done).toEqual([]);
  time.now += 1;
  // It may not overtake what waits.
  expect(offer('flood', 'g')).toBe('full');
  throttle.pump();
  expect(done).toEqual(['c']);
  expect(offer('flood', 'big', 200)).toBe('full');
  time.now += 60;
  throttle.pump();
  // The burst is two, however long it was quiet.
  expect(done).toEqual(['c', 'd', 'e']);
});

test('bytes are counted too, and a visit that throws is gone while the others wait on', () => {
  const { time, now } = clock();
  const done: string[] = [];
  const throttle = createThrottle({
    visits: { perSecond: 100, burst: 100 },
    bytes: { perSecond: 10, burst: 20 },
    waiting: { visits: 10, bytes: 1_000 },
    now,
  });
  expect(throttle.offer('x', visit('a', done, 20))).toBe('now');
  const bad = {
    id: 'bad',
    bytes: 20,
    run: () => {
      throw new Error('our fault');
    },
  };
  expect(throttle.offer('x', bad)).toBe('later');
  expect(throttle.offer('x', visit('b', done, 20))).toBe('later');
  time.now += 2;
  expect(() => throttle.pump()).toThrow('our fault');
  time.now += 2;
  throttle.pump();
  expect(done).toEqual(['b']);
});

const event = (id: string, over: Partial<NostrEvent> = {}): NostrEvent => ({
  id,
  pubkey: 'aa'.repeat(32),
  created_at: 1,
  kind: 8252,
  tags: [],
  content: 'x'.repeat(100),
  sig: 'bb'.repeat(64),
  ...over,
});

const limits = {
  strangers_per_minute: 6,
  strangers_per_relay: 3,
  refusals_per_minute: 1,
  member_per_minute: 60,
  member_mb_per_day: 100,
};

test('strangers owe the work that the advert asks for; members owe none', () => {
  const { now } = clock();
  const door = createDoor(limits, now);
  const lazy = event(`0f${'ff'.repeat(31)}`);
  const busy = event(`000f${'ff'.repeat(30)}`);
  expect([powOf(lazy.id), powOf(busy.id)]).toEqual([4, 12]);
  const admit = (sent: NostrEvent, seat: 'stranger' | { name: string }) =>
    door.admit({ event: sent, relay: 'wss://a', seat, work: 12 }, () => {});
  expect(admit(lazy, 'stranger')).toBe('no_work');
  expect(admit(busy, 'stranger')).toBe('now');
  expect(admit(lazy, { name: 'member' })).toBe('now');
});

test("one relay's strangers fill that relay's lane, and the lanes together have a limit; members pass (fault 57)", () => {
  const { time, now } = clock();
  const door = createDoor(limits, now);
  const run: string[] = [];
  const come = (n: number, relay: string, seat: 'stranger' | { name: string } = 'stranger'): string[] =>
    Array.from({ length: n }, (_, i) => {
      const id = `${relay}${i}`;
      return door.admit({ event: event(id), relay, seat, work: 0 }, () => void run.push(id));
    });
  const first = come(31, 'a');
  expect(first.filter(answer => answer === 'now')).toHaveLength(30);
  expect(first.at(-1)).toBe('later');
  expect(come(31, 'b').filter(answer => answer === 'now')).toHaveLength(30);
  // Both lanes of ten minutes are what all relays together may bring: a third relay waits.
  expect(come(1, 'c')).toEqual(['later']);
  expect(come(2_100, 'a').filter(answer => answer === 'strangers_limited').length).toBeGreaterThan(90);
  expect(come(1, 'm', { name: 'member' })).toEqual(['now']);
  time.now += 60;
  door.pump();
  expect(run.toSorted()).toEqual(['a0', 'a1', 'a30', 'b30', 'c0']);
});

test('a member past its own limit waits, then is turned away and told so every ten seconds', () => {
  const { time, now } = clock();
  const door = createDoor(limits, now);
  const come = (name: string, i: number) =>
    door.admit({ event: event(`${name}${i}`), relay: 'a', seat: { name }, work: 0 }, () => {});
  const answers = Array.from({ length: 2_400 }, (_, i) => come('flood', i));
  expect(answers.filter(answer => answer === 'now')).toHaveLength(300);
  expect(answers.at(-1)).toBe('member_limited');
  expect(come('quiet', 0)).toBe('now');
  expect([door.mayWarn('flood'), door.mayWarn('flood'), door.mayWarn('quiet')]).toEqual([true, false, true]);
  time.now += 10;
  expect(door.mayWarn('flood')).toBe(true);
});

// fault 57
test('a glance takes nothing: forgeries in a member’s name, however many, leave all of its share to the member', () => {
  const { now } = clock();
  const door = createDoor(limits, now);
  const guest = (i: number, seat: 'stranger' | 'wrapped' | { name: string }) => ({
    event: event(`e${i}`),
    relay: 'a',
    seat,
    work: 0,
  });
  for (const seat of ['stranger', 'wrapped', { name: 'm' }] as const)
    for (let i = 0; i < 5_000; i++) expect(door.glance(guest(i, seat))).toBeNull();
  const answers = Array.from({ length: 300 }, (_, i) => door.admit(guest(i, { name: 'm' }), () => {}));
  expect(new Set(answers)).toEqual(new Set(['now']));
});

test('a glance says what the door would say: no work, a full lane, and of a loud member one now and then, to be told', () => {
  const { time, now } = clock();
  const door = createDoor(limits, now);
  const come = (i: number, seat: 'stranger' | 'wrapped' | { name: string }, relay = 'a') => {
    const guest = { event: event(`f${i}`), relay, seat, work: 0 };
    const glance = door.glance(guest);
    return { glance, admitted: door.admit(guest, () => {}) };
  };
  for (const [seat, full] of [
    ['stranger', 'strangers_limited'],
    ['wrapped', 'wraps_limited'],
  ] as const) {
    const answers = Array.from({ length: 4_100 }, (_, i) => come(i, seat));
    for (const { glance, admitted } of answers) expect(glance).toBe(admitted === full ? full : null);
    expect(answers.at(-1)!.glance).toBe(full);
    expect(come(0, seat, 'b').glance).toBeNull();
  }
  const member = { name: 'loud' };
  for (let i = 0; i < 2_300; i++) expect(come(i, member).admitted).not.toBe('member_limited');
  expect(come(9_000, member)).toEqual({ glance: null, admitted: 'member_limited' });
  expect([door.mayWarn('loud'), come(9_001, member).glance]).toEqual([true, 'member_limited']);
  expect(come(1, { name: 'quiet' })).toEqual({ glance: null, admitted: 'now' });
  time.now += 10;
  expect(door.glance({ event: event('again'), relay: 'a', seat: member, work: 0 })).toBeNull();
  const lazy = { event: event('f'.repeat(64)), relay: 'a', work: 1 };
  expect(door.glance({ ...lazy, seat: 'stranger' })).toBe('no_work');
  expect(door.glance({ ...lazy, seat: { name: 'quiet' } })).toBeNull();
});

test('refusals to strangers run out, and come back', () => {
  const { time, now } = clock();
  const door = createDoor(limits, now);
  expect(Array.from({ length: 12 }, () => door.mayRefuse()).filter(Boolean)).toHaveLength(10);
  time.now += 60;
  expect([door.mayRefuse(), door.mayRefuse()]).toEqual([true, false]);
});

test('drops are counted by reason, and logged once for each sender and reason', () => {
  const lines: unknown[] = [];
  const drops = createDrops((level, message, data) => void lines.push([level, message, data?.reason, data?.sender]));
  for (let i = 0; i < 3; i++) drops.count('no_seat', 'eve');
  drops.count('no_seat', 'mallory');
  drops.count('duplicate', 'eve');
  drops.count('fault', 'eve');
  expect(drops.counts()).toEqual({ no_seat: 4, duplicate: 1, fault: 1 });
  expect(lines).toEqual([
    ['debug', 'dropped', 'no_seat', 'eve'],
    ['debug', 'dropped', 'no_seat', 'mallory'],
    ['error', 'dropped', 'fault', 'eve'],
  ]);
});
