import { describe, expect, test } from 'vitest';
import type { Body } from '../../../src/messages/index.ts';
import { openSessions } from '../../../src/wallet/core.ts';
import { drawHex } from '../../cohort/members.ts';
import { drafted } from './driver.ts';
import { hashOf, sign, threeDids } from './given.ts';
import { sentOf, typesOf, updateState } from './wallet.ts';

type Given = Awaited<ReturnType<typeof threeDids>>;
type RequestBody = Body<'authorize_beacon_signal_request'>;

/** A partial signature left, and the transaction did not appear. */
async function open() {
  const given = await threeDids();
  const signed = sign(given, given.good);
  return { ...given, ...signed };
}

const vetoOf = (given: Given, body: RequestBody): string | undefined => {
  const outcome = given.liar.ask(body);
  expect(sentOf(outcome, 'nonce')).toEqual([]);
  return sentOf(outcome, 'veto')[0]?.code;
};
const aborted = (given: Given, more: Partial<Body<'round_aborted'>> = {}) =>
  given.liar.say({
    type: 'round_aborted',
    body: {
      session_id: given.good.session_id,
      round: 1,
      attempt: 1,
      reason: 'outpoint_spent',
      text: 'nothing will come of it, sign the next one',
      open: false,
      blame: [],
      not_heard: [],
      evidence: [],
      ...more,
    },
  });
const isOpen = (given: Given): boolean => openSessions(given.wallet.beacon(given.liar.cohort)).length > 0;

describe('while a session is open', () => {
  test('another outpoint, or other bytes, are refused, whatever the aggregator says of the old one', async () => {
    const given = await open();
    const elsewhere = given.liar.deposit();
    given.world.now += 1_000_000;
    const others = [
      given.liar.request({ ...given.parts, outpoint: elsewhere, round: 2 }),
      given.liar.request({ ...given.parts, seed: drawHex('another tree'), attempt: 2 }),
      given.liar.request({ ...given.parts, updates: {}, round: 2 }),
    ];
    for (const body of others) expect(vetoOf(given, body)).toBe('open_session');
    expect(typesOf(aborted(given))).toEqual(['abort_told']);
    for (const body of others) expect(vetoOf(given, body)).toBe('open_session');
    expect(given.wallet.membership(given.liar.cohort).last_abort).toMatchObject({ reason: 'outpoint_spent' });
  });

  test('the same outpoint and bytes are signed again, with another fee and fresh nonces', async () => {
    const given = await open();
    const body = given.liar.request({ ...given.parts, attempt: 2, fee: 616 });
    const { nonce, authorization } = sign(given, body);
    expect(nonce.nonce_points).not.toEqual(given.nonce.nonce_points);
    expect(given.world.chain.submit(given.liar.complete(body, authorization))).toBe(true);
  });

  test('the same outpoint and bytes are all that a wallet without a chain signs, at the value that it saw', async () => {
    const given = await open();
    given.wallet.eye = () => null;
    const lower = { ...given.outpoint, value_sats: 90_000 };
    expect(vetoOf(given, given.liar.request({ ...given.parts, outpoint: lower, attempt: 2 }))).toBe('outpoint_value');
    const other = { ...given.outpoint, vout: 1 };
    expect(vetoOf(given, given.liar.request({ ...given.parts, outpoint: other, attempt: 2 }))).toBe('open_session');
    const { authorization } = sign(given, given.liar.request({ ...given.parts, attempt: 2 }));
    expect(authorization.sig).toHaveLength(1);
  });

  test('the interval between signals does not hold up another attempt', async () => {
    const given = await open();
    given.world.now += 1;
    const { authorization } = sign(given, given.liar.request({ ...given.parts, attempt: 2 }));
    expect(authorization.sig).toHaveLength(1);
  });

  test('an attempt that was not signed is given up when the aggregator ends it; a signed one is not', async () => {
    const given = await open();
    const body = given.liar.request({ ...given.parts, attempt: 2 });
    const [nonce] = sentOf(given.liar.ask(body), 'nonce');
    aborted(given, { session_id: body.session_id, attempt: 2, open: true });
    const stages = [...given.wallet.beacon(given.liar.cohort).sessions.values()].map(session => session.stage.name);
    expect(stages).toEqual(['signed', 'lost']);
    const outcome = given.liar.say(given.liar.aggregated(body, nonce!.nonce_points[0]!));
    expect(outcome.sent.map(sent => sent.type)).toEqual(['nonce_lost']);
  });

  test('five confirmations of its own transaction settle nothing, six do', async () => {
    const given = await open();
    given.world.chain.submit(given.liar.complete(given.good, given.authorization));
    given.world.chain.mine(5);
    given.wallet.look(given.liar.cohort);
    expect(isOpen(given)).toBe(true);
    given.world.chain.mine();
    given.wallet.look(given.liar.cohort);
    expect(isOpen(given)).toBe(false);
    expect(updateState(given.wallet, given.one.did)).toEqual(['final']);

    given.world.now += given.liar.terms.frequency.min_interval;
    const next = given.liar.request({ ...given.parts, updates: {}, outpoint: given.liar.deposit(), round: 2 });
    expect(sign(given, next).authorization.sig).toHaveLength(1);
  });

  test('a transaction of an earlier attempt settles all attempts', async () => {
    const given = await open();
    sign(given, given.liar.request({ ...given.parts, attempt: 2, fee: 616 }));
    given.world.chain.submit(given.liar.complete(given.good, given.authorization));
    given.world.chain.mine(6);
    given.wallet.look(given.liar.cohort);
    expect([...given.wallet.beacon(given.liar.cohort).sessions.values()].map(s => s.settled?.announced)).toEqual([
      true,
      true,
    ]);
  });
});

describe('when its outpoint went elsewhere', () => {
  async function cancelled() {
    const given = await open();
    given.world.chain.spend(given.outpoint);
    given.world.chain.mine(5);
    given.wallet.look(given.liar.cohort);
    expect(updateState(given.wallet, given.one.did)).toEqual(['locked']);
    given.world.chain.mine();
    given.wallet.look(given.liar.cohort);
    return given;
  }

  test('the update comes back, and only the same bytes may be announced', async () => {
    const given = await cancelled();
    expect(isOpen(given)).toBe(false);
    expect(updateState(given.wallet, given.one.did)).toEqual(['returned']);
    const other = await drafted(given.one, 'other');
    const cohorts = [given.liar.cohort];
    expect(given.wallet.submit(given.one, other.update, other.document, cohorts).refused).toMatch(/returned/);

    const outpoint = given.liar.deposit();
    const updates = { [given.one.did]: hashOf(other) };
    expect(vetoOf(given, given.liar.request({ ...given.parts, updates, outpoint, round: 2 }))).toBe(
      'wrong_announcement',
    );
    // Nothing was announced, so no interval has to pass; the tree is another one, the update is the same.
    const again = given.liar.request({ ...given.parts, outpoint, round: 2, seed: drawHex('second tree') });
    const { authorization } = sign(given, again);
    expect(updateState(given.wallet, given.one.did)).toEqual(['locked']);
    given.world.chain.submit(given.liar.complete(again, authorization));
    given.world.chain.mine(6);
    // Twice, since the first session would still call it returned.
    for (let i = 0; i < 2; i++) {
      given.wallet.look(given.liar.cohort);
      expect(updateState(given.wallet, given.one.did)).toEqual(['final']);
    }
  });

  test('to submit it once more opens no lock', async () => {
    const given = await cancelled();
    const { update, document } = given.update;
    given.wallet.submit(given.one, update, document, [given.liar.cohort]);
    expect(updateState(given.wallet, given.one.did)).toEqual(['returned']);
    given.liar.acked(given.one.did, given.update.announcement);
    expect(updateState(given.wallet, given.one.did)).toEqual(['returned']);
    const other = await drafted(given.one, 'other');
    expect(given.wallet.submit(given.one, other.update, other.document, []).refused).toMatch(/returned/);
  });
});
