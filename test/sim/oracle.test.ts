import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CohortEvent } from '../../src/cohort/index.ts';
import type { Message } from '../../src/messages/index.ts';
import { createMail } from '../../src/shell/mail.ts';
import { createWorld, type World } from './world.ts';

/** An oracle that never complains proves nothing: here it is shown what must never happen, forged with the real keys. */
let world: World;
/** Each world has a seed of its own: one that is lived again draws nonces that signed before, and signs with none of them. */
let lived = 0;

beforeEach(async () => {
  world = createWorld({
    seed: `oracle ${lived++}`,
    cohorts: 1,
    members: 3,
    relays: 1,
    weather: { latency: [5, 60], loss: 0, duplicates: 0 },
    pollMs: 1_000,
    downtime: [1, 2],
    deposit: 1_000_000,
    blocks: 4,
    reorgs: { chance: 0, depth: 1 },
  });
  for (const member of world.wallets) member.wanted = 1;
  const isSigned = (): boolean => world.phase(0) === 'signature';
  expect(await world.clock.run(isSigned, 600_000)).toBe(true);
  expect(world.oracle.violations).toEqual([]);
}, 120_000);
afterEach(() => world.close());

const ID = 'ab'.repeat(32);
const first = () => [...world.oracle.sessions].at(-1)!;
const cohort = (): string => world.cohortId(0)!;
const roundOf = () => {
  const state = world.oracle.cohort(cohort());
  return state?.phase.name === 'formed' ? state.phase.beacon.round! : null;
};

/** A member's message, stored and sent by its wallet. */
function say(index: number, message: Message, { stored = true } = {}): string {
  const { role } = world.wallets[index]!;
  const keys = role.keys()!;
  const state = world.oracle.cohort(cohort())!;
  const pk = world.wallets[index]!.wallet!.status().cohorts[0]!.participant_pk;
  const mail = createMail({ lend: keys.lend, random: world.luck.bytes, maxMessageBytes: () => null });
  const from = state.seats.get(pk)!.transport;
  const to = state.advert.terms.transport_key;
  const { items } = mail.seal({ from, to, cohort: cohort(), message, seq: 1_000 }, world.clock.now());
  if (stored) world.oracle.onCommit(role.name, { outbox: items }, true);
  const frame = JSON.stringify(['EVENT', items[0]!.event]);
  world.oracle.onSend(role.program()!, frame);
  return frame;
}

/** What a member that signed has said: its nonce, its partial signature. */
function signer() {
  const { open } = roundOf()!;
  const [pk, authorization] = [...open[0]!.sigs][0]!;
  const index = world.wallets.findIndex(({ wallet }) => wallet!.status().cohorts[0]!.participant_pk === pk);
  return { index, authorization: authorization.body, nonce: open[0]!.nonces.get(pk)!.body };
}

/** Another session, as if its aggregator had asked for it. */
function ask(change: Partial<Extract<CohortEvent, { type: 'session_requested' }>['frozen']>): void {
  const { frozen, attempt, open } = roundOf()!;
  const event: CohortEvent = {
    type: 'session_requested',
    session_id: ID,
    attempt: attempt + 1,
    frozen: { ...frozen!, ...change },
    steps: open[0]!.steps,
    deadline: 0,
    remind_at: 0,
  };
  world.oracle.onCommit('aggregator', { events: [{ stream: cohort(), type: event.type, at: 0, body: event }] }, true);
}

const nonceOf = (n: number): [string, string] => [`02${String(n).repeat(64)}`, `03${String(n).repeat(64)}`];

/** A wallet draws a nonce for the forged session, and signs it. */
function sign(): void {
  const { index, authorization, nonce } = signer();
  say(index, { type: 'nonce', body: { ...nonce, session_id: ID, nonce_points: [nonceOf(1)] } });
  say(index, { type: 'signal_authorization', body: { ...authorization, session_id: ID } });
}

const seen = (): string => world.oracle.violations.join('\n');

test('another signal of the outpoint that is signed for', () => {
  ask({ signal_bytes: 'cd'.repeat(32) });
  sign();
  expect(seen()).toMatch(/two signals of one outpoint may be completed/);
});

test('another update of a version that is signed for', () => {
  const { updates } = roundOf()!.frozen!;
  ask({ updates: updates.map(update => ({ ...update, announcement: 'ef'.repeat(32) })) });
  sign();
  expect(seen()).toMatch(/two updates of version 2 of .* may be announced/);
});

test('the same bytes on the same outpoint may be signed again, and that is all that may', () => {
  ask({});
  sign();
  expect(seen()).toBe('');
});

test('one nonce for two sessions, and what is signed with it', () => {
  ask({});
  const { index, authorization, nonce } = signer();
  say(index, { type: 'nonce', body: { ...nonce, session_id: ID } });
  expect(seen()).toMatch(/sent one nonce for two things/);
  say(index, { type: 'signal_authorization', body: { ...authorization, session_id: ID, sig: ['01'.repeat(32)] } });
  expect(seen()).toMatch(/made two partial signatures from one nonce/);
});

test('a second nonce for a session', () => {
  const { index, nonce } = signer();
  say(index, { type: 'nonce', body: { ...nonce, nonce_points: [nonceOf(2)] } });
  expect(seen()).toMatch(/sent two different nonces/);
});

test('a second signature of a session: another one, or under another aggregated nonce', () => {
  const { index, authorization } = signer();
  say(index, { type: 'signal_authorization', body: { ...authorization, agg_nonce: [nonceOf(3)] } });
  expect(seen()).toMatch(/signed session .* twice, differently/);
  expect(seen()).toMatch(/made two partial signatures from one nonce/);
});

test('what is sent before it is stored, and what is sent again with other bytes', () => {
  const { index, nonce } = signer();
  const frame = say(index, { type: 'nonce', body: nonce }, { stored: false });
  expect(seen()).toMatch(/which it has not stored/);
  const [, event] = JSON.parse(frame) as [string, { sig: string }];
  const forged = JSON.stringify(['EVENT', { ...event, sig: '00'.repeat(64) }]);
  world.oracle.onSend(world.wallets[index]!.role.program()!, forged);
  expect(seen()).toMatch(/again with other bytes/);
});

test('a transaction that was not stored', () => {
  world.oracle.onSubmit(world.aggregator.program()!, '0200');
  expect(seen()).toMatch(/publishes a transaction that it has not stored/);
});

test('an acknowledgement of an update that is not stored', () => {
  const [, session] = first();
  const keys = world.aggregator.keys()!;
  const state = world.oracle.cohort(cohort())!;
  const mail = createMail({ lend: keys.lend, random: world.luck.bytes, maxMessageBytes: () => null });
  const [member] = [...state.seats.values()];
  const message: Message = {
    type: 'ack',
    body: {
      accepted: 'did_update',
      did: session.updates[0]!.did,
      announcement: 'aa'.repeat(32),
      target_version_id: 2,
      verified: true,
      state: 'queued',
    },
  };
  const letter = {
    from: state.advert.terms.transport_key,
    to: member!.transport,
    cohort: cohort(),
    message,
    seq: 9_999,
  };
  const { items } = mail.seal(letter, world.clock.now());
  world.oracle.onCommit('aggregator', { outbox: items }, true);
  world.oracle.onSend(world.aggregator.program()!, JSON.stringify(['EVENT', items[0]!.event]));
  expect(seen()).toMatch(/was acknowledged and is not stored/);
});

test('a stored event that is gone after a new start', () => {
  const { role } = world.wallets[0]!;
  const event = { stream: 'wallet', type: 'answered', at: 0, body: { type: 'answered', envelope_id: ID } };
  world.oracle.onCommit(role.name, { events: [event] }, true);
  world.oracle.onOpen(role.name, role.peek()!);
  expect(seen()).toMatch(/was stored and is lost or changed/);
});

test('an event that nobody stored', () => {
  const { role } = world.wallets[0]!;
  const event = { stream: 'wallet', type: 'answered', at: 0, body: { type: 'answered', envelope_id: ID } };
  role.peek()!.commit({ events: [event] });
  world.oracle.onOpen(role.name, role.peek()!);
  expect(seen()).toMatch(/events of nobody are stored/);
});
