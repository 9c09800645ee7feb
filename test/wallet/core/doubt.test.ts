import { describe, expect, test } from 'vitest';
import { newController } from '../../cohort/members.ts';
import { drafted } from './driver.ts';
import { hashOf, held, type Lied, lied, sign, submitted } from './given.ts';
import { sentOf, updateState } from './wallet.ts';

/** A DID that is held, a copy of the wallet, and after it: an update that is signed for, and stays unpublished. */
async function lostTime() {
  const given = lied();
  const { wallet, liar, outpoint } = given;
  const one = held(given, 'one');
  const copy = [...wallet.log];
  const lost = await submitted(given, one, 'lost');
  sign(given, liar.request({ updates: { [one.did]: lost.announcement }, leaves: [one.did], outpoint }));
  expect(updateState(wallet, one.did)).toEqual(['locked']);
  return { ...given, one, copy, lost };
}

const lookAgain = ({ wallet, liar }: Pick<Lied, 'wallet' | 'liar'>) =>
  wallet.feed({ type: 'look_doubt', address: liar.address });

describe('a wallet that was put back from a copy (faults 22 and 48)', () => {
  test('makes no rival of an update that it may have signed for since', async () => {
    const { wallet, liar, one, copy, outpoint } = await lostTime();
    wallet.putBack(copy);
    const rival = await drafted(one, 'rival');
    const refused = wallet.submit(one, rival.update, rival.document, [liar.cohort]).refused;
    expect(refused).toMatch(/put back from a copy/);
    expect(refused).toContain(one.did);
    // Not even where the aggregator asks for it.
    const asked = liar.ask(liar.request({ updates: { [one.did]: hashOf(rival) }, leaves: [one.did], outpoint }));
    expect(sentOf(asked, 'veto')).toHaveLength(1);
    expect(sentOf(asked, 'nonce')).toEqual([]);
  });

  test('never signs for a draft of the copy: another may have taken its place', async () => {
    const given = lied();
    const { wallet, liar, outpoint } = given;
    const one = held(given, 'one');
    const draft = await submitted(given, one, 'early');
    const copy = [...wallet.log];
    wallet.putBack(copy);
    expect(updateState(wallet, one.did)).toEqual(['replaced']);
    const request = liar.request({ updates: { [one.did]: draft.announcement }, leaves: [one.did], outpoint });
    expect(sentOf(liar.ask(request), 'veto')).toMatchObject([{ code: 'wrong_announcement' }]);
    // Also when the chain has told all: it may have told that the version is another update's.
    wallet.feed({ type: 'trust_copy' });
    expect(sentOf(liar.ask({ ...request }), 'nonce')).toEqual([]);
  });

  test('signs again, byte for byte, for what the copy shows as signed for, and for nothing else of that version', async () => {
    const given = await lostTime();
    const { wallet, liar, one, lost, outpoint } = given;
    wallet.putBack([...wallet.log]);
    expect(updateState(wallet, one.did)).toEqual(['locked']);
    const again = liar.request({ updates: { [one.did]: lost.announcement }, leaves: [one.did], outpoint, attempt: 2 });
    expect(sign(given, again).authorization.session_id).toBe(again.session_id);
    const rival = await drafted(one, 'rival');
    expect(wallet.submit(one, rival.update, rival.document, [liar.cohort]).refused).toMatch(/locked|put back/);
  });

  test('signs signals that say nothing new of its DIDs: the beacon goes on, and so the doubt ends', async () => {
    const given = await lostTime();
    const { wallet, liar, one, copy, outpoint, world } = given;
    wallet.putBack(copy);
    lookAgain(given);
    const quiet = liar.request({ leaves: [one.did], outpoint, attempt: 2 });
    sign(given, quiet);
    expect(wallet.state.doubt!.addresses.size).toBeGreaterThan(0);
    // Neither the session of the lost time nor this one is settled yet.
    lookAgain(given);
    const rival = await drafted(one, 'rival');
    const submit = () => wallet.submit(one, rival.update, rival.document, [liar.cohort]).refused;
    expect(submit()).toMatch(/put back/);
    world.chain.spend(outpoint);
    world.chain.mine(5);
    lookAgain(given);
    expect(submit()).toMatch(/put back/);
    world.chain.mine(1);
    lookAgain(given);
    for (const address of wallet.state.doubt!.addresses.keys()) {
      wallet.feed({ type: 'look_doubt', address });
      wallet.feed({ type: 'look_doubt', address });
    }
    expect(wallet.state.doubt!.addresses.size).toBe(0);
    expect(submit()).toBeNull();
  });

  test('an output that came later settles nothing and spoils nothing', async () => {
    const given = await lostTime();
    const { wallet, liar, copy, outpoint, world } = given;
    wallet.putBack(copy);
    lookAgain(given);
    const later = liar.deposit();
    world.chain.spend(later);
    world.chain.mine(6);
    lookAgain(given);
    expect(wallet.state.doubt!.addresses.has(liar.address)).toBe(true);
    liar.deposit();
    world.chain.spend(outpoint);
    world.chain.mine(6);
    lookAgain(given);
    expect(wallet.state.doubt!.addresses.has(liar.address)).toBe(false);
  });

  test('is in no doubt about a DID that is younger than the copy', async () => {
    const given = await lostTime();
    const { wallet, liar, copy, world } = given;
    wallet.putBack(copy);
    world.now += 10;
    const young = newController('young');
    wallet.addDid(young);
    wallet.register(liar.cohort, young);
    liar.registered(young.did);
    const made = await drafted(young, 'first');
    expect(wallet.submit(young, made.update, made.document, [liar.cohort]).refused).toBeNull();
  });

  test('believes its owner, who alone can know that nothing was signed since', async () => {
    const { wallet, liar, one, copy } = await lostTime();
    wallet.putBack(copy);
    wallet.feed({ type: 'trust_copy' });
    const rival = await drafted(one, 'rival');
    expect(wallet.submit(one, rival.update, rival.document, [liar.cohort]).refused).toBeNull();
  });

  test('a second time is in doubt again, also about what was settled', async () => {
    const given = await lostTime();
    const { wallet, liar, copy } = given;
    wallet.putBack(copy);
    wallet.feed({ type: 'trust_copy' });
    wallet.putBack([...wallet.log]);
    expect(wallet.state.doubt!.addresses.get(liar.address)).toBeNull();
  });
});

test('too fast is no answer: the request stands', async () => {
  const given = lied();
  const { wallet, liar } = given;
  const one = held(given, 'one');
  const made = await drafted(one, 'update');
  const [asked] = wallet.submit(one, made.update, made.document, [liar.cohort]).sent;
  for (const code of ['rate_limited', 'queue_full'] as const) {
    const told = liar.say({ type: 'rejection', body: { code, text: 'later' } }, { in_reply_to: asked!.id });
    expect(told.refused).toMatch(/it is asked again/);
    expect(wallet.state.asked.has(asked!.id)).toBe(true);
    expect(updateState(wallet, one.did)).toEqual(['signed']);
  }
});
