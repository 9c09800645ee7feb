import { describe, expect, test } from 'vitest';
import { drawHex } from '../../cohort/members.ts';
import { sign, threeDids } from './given.ts';
import { sentOf, typesOf, updateState } from './wallet.ts';

/** Signed, complete, and in one block. */
async function mined() {
  const given = await threeDids();
  const { authorization } = sign(given, given.good);
  const hex = given.liar.complete(given.good, authorization);
  given.world.chain.submit(hex);
  given.world.chain.mine();
  const look = () => given.wallet.look(given.liar.cohort);
  const seen = () => given.wallet.beacon(given.liar.cohort).signals.get(given.good.signal_bytes)!.seen;
  const state = () => updateState(given.wallet, given.one.did)[0];
  return { ...given, authorization, hex, look, seen, state };
}

describe('a signal', () => {
  test('is followed from the mempool to six confirmations; a look without news stores nothing', async () => {
    const { world, look, seen, state } = await mined();
    look();
    expect([seen().status, state()]).toEqual(['confirmed', 'broadcast']);
    expect(look().events).toEqual([]);
    world.chain.mine(4);
    expect(look().events).toEqual([]);
    world.chain.mine();
    expect(typesOf(look()).sort()).toEqual(['session_settled', 'signal_seen', 'update_moved']);
    expect([seen().status, state()]).toEqual(['final', 'final']);
    world.chain.mine(3);
    expect(look().events).toEqual([]);
  });

  // fault 31
  test('goes back to the mempool, and out of it: the update stays locked all the while', async () => {
    const given = await mined();
    const { world, look, seen, state, wallet, one, liar } = given;
    look();
    world.chain.undo(1, 'mempool');
    look();
    expect([seen().status, seen().height, state()]).toEqual(['broadcast', null, 'broadcast']);
    world.chain.evict(seen().txid!);
    look();
    expect([seen().status, seen().txid, state()]).toEqual(['unseen', null, 'locked']);
    expect(wallet.submit(one, { ...given.update.update, targetHash: 'x' }, given.update.document, []).refused).toMatch(
      /locked/,
    );
    expect(
      sentOf(liar.ask(liar.request({ ...given.parts, seed: drawHex('other'), attempt: 2 })), 'veto'),
    ).toMatchObject([{ code: 'open_session' }]);
    world.chain.submit(given.hex);
    world.chain.mine(6);
    look();
    expect([seen().status, state()]).toEqual(['final', 'final']);
  });

  test('that was final and is mined again in another block is followed to that one', async () => {
    const { world, look, seen, state } = await mined();
    world.chain.mine(5);
    look();
    expect(state()).toBe('final');
    const { height } = seen();
    world.chain.undo(7, 'mempool');
    world.chain.mine(2);
    look();
    expect([seen().status, state()]).toEqual(['confirmed', 'broadcast']);
    expect(seen().height).not.toBe(height);
  });

  test('of somebody else is noted, and its proofs are asked for', async () => {
    const given = await threeDids();
    const bytes = drawHex('a signal that this wallet never signed');
    given.world.chain.spend(given.outpoint, { signal: bytes });
    given.world.chain.mine();
    const outcome = given.wallet.look(given.liar.cohort);
    expect(typesOf(outcome)).toEqual(['signal_seen']);
    expect(sentOf(outcome, 'proof_request').map(asked => asked.did)).toEqual(given.parts.shown);
    expect(given.wallet.beacon(given.liar.cohort).signals.get(bytes)!.seen.status).toBe('confirmed');
  });

  // fault 35a
  test('is not made by a deposit that looks like one', async () => {
    const given = await threeDids();
    given.world.chain.deposit(given.liar.script, 1_000, { signal: drawHex('stray') });
    given.world.chain.mine();
    expect(given.wallet.look(given.liar.cohort)).toMatchObject({ events: [], effects: [] });
  });
});

describe('a transaction that the aggregator hands out', () => {
  test('is kept and published, once, whatever it says of its depth', async () => {
    const given = await threeDids();
    const { authorization } = sign(given, given.good);
    const hex = given.liar.complete(given.good, authorization);
    const say = (transactions: string[], session_id = given.good.session_id) =>
      given.liar.say({
        type: 'signal_status',
        body: {
          session_id,
          beacon_address: given.liar.address,
          status: 'final',
          txid: drawHex('any'),
          transactions,
          block_hash: drawHex('block'),
          height: 9,
          confirmations: 6,
        },
      });
    const forged = `${hex.slice(0, -10)}${'0'.repeat(10)}`;
    const unsigned = given.wallet.beacon(given.liar.cohort).sessions.get(given.good.session_id)!.steps[0]!.unsigned_hex;
    expect(say([forged, unsigned, '00'])).toMatchObject({ events: [], effects: [] });
    expect(say([hex], drawHex('unknown')).dropped).toMatch(/never checked/);
    const outcome = say([forged, hex]);
    expect(outcome.events).toMatchObject([{ type: 'transactions_told', transactions: [hex] }]);
    expect(outcome.effects).toEqual([{ type: 'broadcast', hex }]);
    expect(say([hex])).toMatchObject({ events: [], effects: [] });
    // Only the wallet's own look says that it is final.
    expect(updateState(given.wallet, given.one.did)).toEqual(['locked']);
    given.wallet.look(given.liar.cohort);
    expect(updateState(given.wallet, given.one.did)).toEqual(['broadcast']);
  });
});

describe('a reorganization that mines another step of the parent', () => {
  test('ends the session on the change that will never exist: the update comes back, and the wallet signs on', async () => {
    const given = await threeDids({ frequency: { interval: 60, min_interval: 0, pending_updates: 1 } });
    const { world, wallet, liar, parts, one } = given;
    const dearer = liar.request({ ...parts, updates: {}, attempt: 2, fee: 616 });
    const cheap = liar.request({ ...parts, updates: {} });
    const [first, second] = [cheap, dearer].map(body => liar.complete(body, sign(given, body).authorization));
    world.chain.submit(first!);
    world.chain.mine(6);
    wallet.look(liar.cohort);
    const change = world.chain.view(liar.script).utxos[0]!;
    const next = liar.request({ ...parts, outpoint: change, round: 2, seed: drawHex('next') });
    sign(given, next);
    expect(updateState(wallet, one.did)).toEqual(['locked']);

    world.chain.undo(6, 'gone');
    world.chain.submit(second!);
    world.chain.mine(5);
    wallet.look(liar.cohort);
    expect(updateState(wallet, one.did)).toEqual(['locked']);
    world.chain.mine();
    wallet.look(liar.cohort);
    expect(wallet.beacon(liar.cohort).sessions.get(next.session_id)!.settled?.announced).toBe(false);
    expect(updateState(wallet, one.did)).toEqual(['returned']);

    const outpoint = world.chain.view(liar.script).utxos[0]!;
    expect(outpoint.txid).not.toBe(change.txid);
    const { authorization } = sign(given, liar.request({ ...parts, outpoint, round: 3, seed: drawHex('next') }));
    expect(authorization.sig).toHaveLength(1);
  });
});
