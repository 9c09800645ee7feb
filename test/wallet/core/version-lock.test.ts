import { describe, expect, test } from 'vitest';
import type { Controller } from '../../cohort/members.ts';
import { drafted, type Made } from './driver.ts';
import { hashOf, type Lied, sign, twoCohorts } from './given.ts';
import { sentOf, updateState } from './wallet.ts';

const request = ({ liar, outpoint }: Lied, { did }: Controller, made: Made, attempt = 1) =>
  liar.request({ updates: { [did]: hashOf(made) }, leaves: [did], outpoint, attempt });

/** The wallet checks, sends its nonce, and is told the aggregated one; whether it signs is for `work`. */
function upToSigning({ liar }: Lied, body: ReturnType<typeof request>) {
  const [nonce] = sentOf(liar.ask(body), 'nonce');
  return liar.aggregated(body, nonce!.nonce_points[0]!);
}

// fault 60
describe('two cohorts hold one DID, and each has another update of its next version', () => {
  async function torn() {
    const given = twoCohorts();
    const [mine, theirs] = [await drafted(given.one, 'mine'), await drafted(given.one, 'theirs')];
    given.wallet.submit(given.one, mine.update, mine.document, [given.left.liar.cohort]);
    given.wallet.submit(given.one, theirs.update, theirs.document, [given.right.liar.cohort]);
    return { ...given, mine, theirs };
  }

  test('after the signature for one, the other is vetoed', async () => {
    const { left, right, one, mine, theirs } = await torn();
    sign(left, request(left, one, mine));
    const outcome = right.liar.ask(request(right, one, theirs));
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'version_locked' }]);
    expect(sentOf(outcome, 'nonce')).toEqual([]);
  });

  test('both were checked before either was signed: the second aggregated nonce is vetoed', async () => {
    const { wallet, left, right, one, mine, theirs } = await torn();
    const [first, second] = [
      upToSigning(left, request(left, one, mine)),
      upToSigning(right, request(right, one, theirs)),
    ];
    expect(sentOf(left.liar.say(first), 'signal_authorization')).toHaveLength(1);
    const outcome = right.liar.say(second);
    expect(sentOf(outcome, 'signal_authorization')).toEqual([]);
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'version_locked' }]);
    expect(sentOf(right.liar.say(second), 'signal_authorization')).toEqual([]);
    expect(updateState(wallet, one.did)).toEqual(['locked', 'signed']);
  });

  test('both were about to be signed: one signature leaves', async () => {
    const { wallet, left, right, one, mine, theirs } = await torn();
    const [first, second] = [
      upToSigning(left, request(left, one, mine)),
      upToSigning(right, request(right, one, theirs)),
    ];
    wallet.works = false;
    left.liar.say(first);
    right.liar.say(second);
    const outcome = wallet.work();
    expect(sentOf(outcome, 'signal_authorization')).toMatchObject([{ beacon_address: left.liar.address }]);
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'version_locked' }]);
    wallet.restart();
    expect(sentOf(right.liar.say(second), 'signal_authorization')).toEqual([]);
  });
});

describe('no word of an aggregator opens the lock', () => {
  async function locked() {
    const given = twoCohorts();
    const { wallet, left, one } = given;
    const update = await drafted(one, 'signed for');
    const asked = wallet.submit(one, update.update, update.document, [left.liar.cohort]).sent[0]!;
    // Never acknowledged, so the request is still without an answer.
    sign(left, request(left, one, update));
    expect(updateState(wallet, one.did)).toEqual(['locked']);
    return { ...given, update, asked };
  }
  const stillLocked = async ({ wallet, one, left }: Awaited<ReturnType<typeof locked>>): Promise<void> => {
    expect(updateState(wallet, one.did)).toEqual(['locked']);
    const rival = await drafted(one, 'rival');
    expect(wallet.submit(one, rival.update, rival.document, [left.liar.cohort]).refused).toMatch(/locked/);
  };

  test('an acknowledgement', async () => {
    const given = await locked();
    given.left.liar.acked(given.one.did, hashOf(given.update));
    await stillLocked(given);
  });

  test('a refusal', async () => {
    const given = await locked();
    const body = { code: 'update_invalid' as const, text: 'make another one' };
    given.left.liar.say({ type: 'rejection', body }, { in_reply_to: given.asked.id });
    await stillLocked(given);
    expect(given.wallet.state.asked.has(given.asked.id)).toBe(false);
  });

  test("another aggregator's answer to what this one was asked", async () => {
    const given = twoCohorts();
    const { wallet, left, right, one } = given;
    const update = await drafted(one, 'for the left');
    const [asked] = wallet.submit(one, update.update, update.document, [left.liar.cohort]).sent;
    const body = { code: 'update_invalid' as const, text: 'no' };
    expect(right.liar.say({ type: 'rejection', body }, { in_reply_to: asked!.id }).refused).toMatch(/update_invalid/);
    expect(right.liar.acked(one.did, hashOf(update)).dropped).toMatch(/no update that was sent/);
    expect(updateState(wallet, one.did)).toEqual(['signed']);
    expect(wallet.state.asked.has(asked!.id)).toBe(true);
  });

  test('an abort', async () => {
    const given = await locked();
    const [session_id] = given.wallet.beacon(given.left.liar.cohort).sessions.keys();
    given.left.liar.say({
      type: 'round_aborted',
      body: {
        session_id: session_id!,
        round: 1,
        attempt: 1,
        reason: 'cancelled',
        text: 'forget it',
        open: false,
        blame: [],
        not_heard: [],
        evidence: [],
      },
    });
    await stillLocked(given);
  });

  test('an update of the version that was replaced long ago does not hide the locked one', async () => {
    const given = twoCohorts();
    const { wallet, left, one } = given;
    const cohorts = [left.liar.cohort];
    const [older, newer] = [await drafted(one, 'older'), await drafted(one, 'newer')];
    for (const made of [older, newer]) {
      wallet.submit(one, made.update, made.document, cohorts);
      left.liar.acked(one.did, hashOf(made));
    }
    expect(updateState(wallet, one.did)).toEqual(['replaced', 'acked']);
    sign(left, request(left, one, newer));
    const third = await drafted(one, 'third');
    expect(wallet.submit(one, third.update, third.document, cohorts).refused).toMatch(/locked/);
    expect(wallet.submit(one, older.update, older.document, cohorts).refused).toMatch(/locked/);
  });
});

describe('one update in two cohorts', () => {
  async function both() {
    const given = twoCohorts();
    const { wallet, left, right, one } = given;
    const made = await drafted(one, 'both');
    const { sent } = wallet.submit(one, made.update, made.document, [left.liar.cohort, right.liar.cohort]);
    return { ...given, made, sent };
  }

  test('the same bytes may be signed for in both; what one chain of events ends, the other does not undo', async () => {
    const { world, wallet, left, right, one, made } = await both();
    const bodies = [left, right].map(side => request(side, one, made));
    const signed = [left, right].map((side, i) => sign(side, bodies[i]!));
    world.chain.submit(left.liar.complete(bodies[0]!, signed[0]!.authorization));
    world.chain.mine(6);
    for (const side of [left, right, left, right]) {
      wallet.look(side.liar.cohort);
      expect(updateState(wallet, one.did)).toEqual(['final']);
    }
    // Right is still open: its outpoint and bytes are signed again, though the update is final on the left.
    const { authorization } = sign(right, request(right, one, made, 2));
    expect(authorization.sig).toHaveLength(1);
    world.chain.spend(right.outpoint);
    world.chain.mine(6);
    wallet.look(right.liar.cohort);
    expect(updateState(wallet, one.did)).toEqual(['final']);
  });

  test('it comes back when every outpoint that it was signed for went elsewhere, not before', async () => {
    const { world, wallet, left, right, one, made } = await both();
    for (const side of [left, right]) sign(side, request(side, one, made));
    for (const [side, state] of [
      [left, 'locked'],
      [right, 'returned'],
    ] as const) {
      world.chain.spend(side.outpoint);
      world.chain.mine(6);
      wallet.look(side.liar.cohort);
      expect(updateState(wallet, one.did)).toEqual([state]);
    }
  });

  test('refused by one, it is announced by the other only', async () => {
    const { wallet, left, right, one, made, sent } = await both();
    const body = { code: 'update_invalid' as const, text: 'not this one' };
    left.liar.say({ type: 'rejection', body }, { in_reply_to: sent[0]!.id });
    expect(updateState(wallet, one.did)).toEqual(['signed']);
    right.liar.acked(one.did, hashOf(made));
    expect(updateState(wallet, one.did)).toEqual(['acked']);
    expect(sentOf(left.liar.ask(request(left, one, made)), 'veto')).toMatchObject([{ code: 'wrong_announcement' }]);
    sign(right, request(right, one, made));
    expect(updateState(wallet, one.did)).toEqual(['locked']);
  });

  test('refused by both, it is refused; sent again, it is signed', async () => {
    const { wallet, left, right, one, made, sent } = await both();
    const body = { code: 'update_invalid' as const, text: 'not this one' };
    for (const [i, side] of [left, right].entries())
      side.liar.say({ type: 'rejection', body }, { in_reply_to: sent[i]!.id });
    expect(updateState(wallet, one.did)).toEqual(['refused']);
    wallet.submit(one, made.update, made.document, [left.liar.cohort]);
    expect(updateState(wallet, one.did)).toEqual(['signed']);
  });
});

test('acknowledgements in the wrong order do not retire the newer update', async () => {
  const { wallet, left, one } = twoCohorts();
  const cohorts = [left.liar.cohort];
  const [older, newer] = [await drafted(one, 'older'), await drafted(one, 'newer')];
  for (const made of [older, newer]) wallet.submit(one, made.update, made.document, cohorts);
  left.liar.acked(one.did, hashOf(newer));
  left.liar.acked(one.did, hashOf(older));
  const states = () => updateState(wallet, one.did);
  expect(states()[1]).toBe('acked');
  sign(left, request(left, one, newer));
  expect(states()[1]).toBe('locked');
  expect(sentOf(left.liar.ask(request(left, one, older, 2)), 'veto')).toMatchObject([{ code: 'open_session' }]);
});
