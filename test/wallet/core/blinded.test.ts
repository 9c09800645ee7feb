import { describe, expect, test } from 'vitest';
import { fromHex, sha256, toBase64url, toHex, utf8 } from '../../../src/crypto/index.ts';
import type { Body } from '../../../src/messages/index.ts';
import { leafIndex, leafValue, verifySmtProof } from '../../../src/smt/index.ts';
import { treeNonce } from '../../../src/wallet/core.ts';
import { type Controller, drawHex, newController } from '../../cohort/members.ts';
import {
  answered,
  BLINDED,
  blinded,
  held,
  indexOf,
  type Leaves,
  opportunity,
  request,
  submitted,
} from './blinded-liar.ts';
import { deliver, drafted, mine, newXController, ready, wait } from './driver.ts';
import { type Lied, lied, sign } from './given.ts';
import { sentOf, typesOf, updateState, type Wallet } from './wallet.ts';

type RequestBody = Body<'authorize_beacon_signal_request'>;

/** The signal is signed, mined six deep and looked at; its change is the next outpoint. */
function announce(given: Lied, body: RequestBody): Lied {
  const { authorization } = sign(given, body);
  given.world.chain.submit(given.liar.complete(body, authorization));
  given.world.chain.mine(6);
  given.wallet.look(given.liar.cohort);
  return { ...given, outpoint: given.liar.deposit() };
}

const entriesOf = (given: Lied, label: string) =>
  given.wallet.beacon(given.liar.cohort).opportunities.get(drawHex(label))?.entries;

const vetoed = (given: Lied, body: RequestBody): string[] =>
  sentOf(given.liar.ask(body), 'veto').map(({ code, text }) => `${code}: ${text}`);

describe('an answer', () => {
  test('is leaves of nonces that the seed, the address, the DID and the opportunity make', async () => {
    const given = blinded();
    const [one, two] = [held(given, 'one'), held(given, 'two')];
    const { announcement } = await submitted(given, one, 'first');
    const seed = sha256(utf8('ada nonces'));
    const nonce = ({ did }: Controller, label: string) =>
      fromHex(treeNonce(seed, given.liar.address, did, drawHex(label)));
    expect(answered(given, 'O1')).toEqual({
      [indexOf(one.did)]: toHex(leafValue({ nonce: nonce(one, 'O1'), announcement: fromHex(announcement) })),
      [indexOf(two.did)]: toHex(leafValue({ nonce: nonce(two, 'O1') })),
    });
    const all = [nonce(one, 'O1'), nonce(two, 'O1'), nonce(one, 'O2')].map(toHex);
    expect(new Set(all).size).toBe(3);
  });

  test('names no DID, update, hash or nonce, and nor does anything else that leaves the wallet', async () => {
    const given = blinded();
    const one = held(given, 'one');
    const made = await submitted(given, one, 'first');
    const body = request(given, 'O1', answered(given, 'O1'), [one.did]);
    announce(given, body);
    const wire = JSON.stringify(given.wallet.sent);
    const { nonce } = entriesOf(given, 'O1')![0]!;
    const secrets = [one.did, made.announcement, nonce!, toBase64url(fromHex(nonce!)), 'https://first.example'];
    for (const secret of secrets) expect(wire).not.toContain(secret);
    expect(given.wallet.sent.map(sent => sent.type)).not.toContain('did_update');
  });

  test('is the same after a restart before it, when asked again, and from a restored seed', async () => {
    const given = blinded();
    const one = held(given, 'one');
    await submitted(given, one, 'first');
    given.wallet.works = false;
    expect(given.liar.say(opportunity(given, 'O1')).sent).toEqual([]);
    given.wallet.restart();
    given.wallet.works = true;
    const [first] = sentOf(given.wallet.work(), 'update_response');
    given.wallet.restart();
    await submitted(given, one, 'later');
    expect(sentOf(given.liar.say(opportunity(given, 'O1')), 'update_response')).toEqual([first]);

    // The same keys and the same seed, and nothing else left.
    const restored = blinded();
    await submitted(restored, held(restored, 'one'), 'first');
    expect(Object.entries(answered(restored, 'O1')).map(([did, leaf]) => ({ did, leaf }))).toEqual(first?.entries);
  });

  test('is never made without a nonce: such a leaf is the announcement itself', async () => {
    const given = blinded();
    const one = held(given, 'one');
    await submitted(given, one, 'first');
    given.wallet.works = false;
    given.liar.say(opportunity(given, 'O1'));
    const { cohort } = given.liar;
    const outcome = given.wallet.feed({ type: 'leaves_drawn', cohort, opportunity_id: drawHex('O1'), nonces: {} });
    expect(outcome.dropped).toMatch(/lacks its nonce/);
  });

  test('to each of a thousand questions leaves no more behind than the newest and those that were signed for', () => {
    const given = blinded();
    const one = held(given, 'one');
    const body = request(given, 'O', answered(given, 'O'), [one.did]);
    given.liar.ask(body);
    for (let i = 0; i < 50; i++) answered(given, `O${i}`);
    const kept = [...given.wallet.beacon(given.liar.cohort).opportunities.keys()];
    expect(kept).toEqual([drawHex('O'), drawHex('O49')]);
  });

  test('is no business of an advert without a pull flow, nor of another beacon', () => {
    const pushed = lied();
    expect(pushed.liar.say(opportunity(pushed, 'O1')).refused).toMatch(/no pull flow/);
    const given = blinded();
    const { body } = opportunity(given, 'O1');
    const elsewhere = {
      type: 'update_opportunity',
      body: { ...body, beacon_address: 'bcrt1pqqqqqqqqqqqqqq' },
    } as const;
    expect(given.liar.say(elsewhere).refused).toMatch(/another beacon/);
  });
});

describe('a request', () => {
  async function ready() {
    const given = blinded();
    const [one, two] = [held(given, 'one'), held(given, 'two')];
    const update = await submitted(given, one, 'first');
    const leaves = answered(given, 'O1');
    return { given, one, two, update, leaves, shown: [one.did, two.did] };
  }

  test('of the leaves that were answered is signed, and its proofs are kept whole', async () => {
    const { given, one, two, update, leaves, shown } = await ready();
    const body = request(given, 'O1', leaves, shown);
    announce(given, body);
    const { proofs } = given.wallet.beacon(given.liar.cohort).signals.get(body.signal_bytes)!;
    for (const { did } of [one, two]) expect(verifySmtProof(leafIndex(did), proofs.get(did)!, 'spec')).toBe(true);
    expect(proofs.get(one.did)).toMatchObject({ updateId: toBase64url(fromHex(update.announcement)) });
    expect(Object.hasOwn(proofs.get(two.did)!, 'updateId')).toBe(false);
    expect(updateState(given.wallet, one.did)).toEqual(['final']);
  });

  const bad: [string, (leaves: Leaves, one: string) => Leaves, RegExp][] = [
    ['another leaf', (leaves, one) => ({ ...leaves, [indexOf(one)]: drawHex('another') }), /evidence_invalid/],
    [
      'no leaf',
      (leaves, one) => Object.fromEntries(Object.entries(leaves).filter(([index]) => index !== indexOf(one))),
      /evidence_invalid/,
    ],
    [
      'leaves that changed places',
      leaves => {
        const [a, b] = Object.entries(leaves) as [[string, string], [string, string]];
        return { [a[0]]: b[1], [b[0]]: a[1] };
      },
      /evidence_invalid/,
    ],
  ];
  test.each(bad)('with %s is vetoed', async (_, change, why) => {
    const { given, one, leaves, shown } = await ready();
    expect(vetoed(given, request(given, 'O1', change(leaves, one.did), shown))).toEqual([expect.stringMatching(why)]);
    expect(given.wallet.beacon(given.liar.cohort).signals.size).toBe(0);
  });

  test('that names no opportunity, or one that was never answered, is vetoed', async () => {
    const { given, leaves, shown } = await ready();
    expect(vetoed(given, request(given, undefined, leaves, shown))[0]).toMatch(/does not say/);
    expect(vetoed(given, request(given, 'O9', leaves, shown))[0]).toMatch(/gave no leaves/);
    // Without own leaves every index is empty, and proves it: all the same it is not what was answered.
    expect(vetoed(given, request(given, 'O9', {}, shown))[0]).toMatch(/gave no leaves/);
  });

  test('for leaves of an earlier answer is vetoed: they may hold what was replaced since', async () => {
    const { given, one, leaves, shown } = await ready();
    await submitted(given, one, 'newer');
    const newer = answered(given, 'O2');
    expect(newer[indexOf(one.did)]).not.toBe(leaves[indexOf(one.did)]);
    expect(vetoed(given, request(given, 'O1', leaves, shown))).toHaveLength(1);
    expect(vetoed(given, request(given, 'O2', leaves, shown))[0]).toMatch(/evidence_invalid/);
    expect(sentOf(given.liar.ask(request(given, 'O2', newer, shown)), 'nonce')).toHaveLength(1);
  });

  test('for leaves that an earlier signal was made of is vetoed: they would tell what did not change', () => {
    const first = blinded();
    const one = held(first, 'one');
    const leaves = answered(first, 'O1');
    const next = announce(first, request(first, 'O1', leaves, [one.did]));
    const more = { ...leaves, [indexOf('did:btcr2:third')]: drawHex('a third leaf') };
    expect(vetoed(next, request(next, 'O1', more, [one.did], { round: 2 }))[0]).toMatch(/serve once/);
  });

  test('of an open session comes again with the same leaves, whatever was asked meanwhile', async () => {
    const { given, leaves, shown } = await ready();
    sign(given, request(given, 'O1', leaves, shown));
    answered(given, 'O2');
    given.wallet.restart();
    const again = request(given, 'O1', leaves, shown, { attempt: 2 });
    expect(sign(given, again).authorization.sig).toHaveLength(1);
    const other = { ...leaves, [indexOf('did:btcr2:third')]: drawHex('a third leaf') };
    expect(vetoed(given, request(given, 'O2', other, shown))[0]).toMatch(/^open_session/);
  });

  test('is signed where a DID was registered after the answer: its index is empty, and must be', async () => {
    const { given, leaves, shown } = await ready();
    const late = held(given, 'late');
    const all = [...shown, late.did];
    const forged = { ...leaves, [indexOf(late.did)]: drawHex('a leaf of somebody else') };
    expect(vetoed(given, request(given, 'O1', forged, all))[0]).toMatch(/evidence_invalid/);
    const { authorization } = sign(given, request(given, 'O1', leaves, all, { attempt: 2 }));
    expect(authorization.sig).toHaveLength(1);
    expect(Object.keys(answered(given, 'O2'))).toContain(indexOf(late.did));
  });

  test('lacking a proof of a draft that names the beacon waits for it, asked for by index', async () => {
    const { given, leaves, shown } = await ready();
    const draft = newXController('draft', 'SMTBeacon', given.liar.address);
    given.wallet.addDid(draft);
    const body = request(given, 'O1', leaves, shown);
    const [asked] = given.liar.ask(body).sent;
    expect(asked).toMatchObject({ type: 'proof_request', body: { did: indexOf(draft.did) } });
    const { evidence } = request(given, 'O1', leaves, [draft.did]);
    const { session_id, signal_bytes } = body;
    const signal = { session_id, signal_bytes, txid: null, height: null, opportunity_id: drawHex('O1'), evidence };
    const outcome = given.liar.say(
      { type: 'proofs', body: { beacon_address: given.liar.address, did: indexOf(draft.did), signals: [signal] } },
      { in_reply_to: asked!.id },
    );
    expect(sentOf(outcome, 'nonce')).toHaveLength(1);
  });
});

describe('one version, one update', () => {
  test('what took the place of another is announced, and the other is never offered again', async () => {
    const given = blinded();
    const one = held(given, 'one');
    await submitted(given, one, 'first');
    const second = await submitted(given, one, 'second');
    const next = announce(given, request(given, 'O1', answered(given, 'O1'), [one.did]));
    expect(entriesOf(given, 'O1')).toMatchObject([{ announcement: second.announcement }]);
    expect(updateState(next.wallet, one.did)).toEqual(['replaced', 'final']);
    answered(next, 'O2');
    expect(entriesOf(next, 'O2')).toMatchObject([{ announcement: null }]);
    const third = await submitted(next, one, 'third', second, 2);
    const leaves = answered(next, 'O3');
    expect(entriesOf(next, 'O3')).toMatchObject([{ announcement: third.announcement }]);
    announce(next, request(next, 'O3', leaves, [one.did], { round: 2 }));
    expect(updateState(next.wallet, one.did, 3)).toEqual(['final']);
  });

  test('what was signed too late for its leaf gives way to the one that the leaf holds', async () => {
    const given = blinded();
    const one = held(given, 'one');
    const first = await submitted(given, one, 'first');
    const leaves = answered(given, 'O1');
    await submitted(given, one, 'too late');
    const body = request(given, 'O1', leaves, [one.did]);
    sign(given, body);
    expect(updateState(given.wallet, one.did)).toEqual(['locked', 'replaced']);
    // The outpoint goes elsewhere: announced byte for byte the same, or never.
    given.world.chain.spend(given.outpoint);
    given.world.chain.mine(6);
    given.wallet.look(given.liar.cohort);
    answered(given, 'O2');
    expect(entriesOf(given, 'O2')).toMatchObject([{ announcement: first.announcement }]);
  });

  test('between nonce and signature the answer stands, and two leaves of one version are never both signed', async () => {
    const given = blinded();
    const one = held(given, 'one');
    await submitted(given, one, 'first');
    const body = request(given, 'O1', answered(given, 'O1'), [one.did]);
    const [nonce] = sentOf(given.liar.ask(body), 'nonce');
    await submitted(given, one, 'second');
    const other = request(given, 'O2', answered(given, 'O2'), [one.did], { round: 2 });
    const outcome = given.liar.ask(other);
    // The newer question took the place of the older session, whose nonce is gone.
    expect(typesOf(outcome)).toContain('session_lost');
    expect(
      sentOf(given.liar.say(given.liar.aggregated(body, nonce!.nonce_points[0]!)), 'signal_authorization'),
    ).toEqual([]);
    const [second] = sentOf(outcome, 'nonce');
    const signed = given.liar.say(given.liar.aggregated(other, second!.nonce_points[0]!));
    expect(sentOf(signed, 'signal_authorization')).toHaveLength(1);
    expect(updateState(given.wallet, one.did)).toEqual(['replaced', 'locked']);
  });
});

describe('an index that a squatter named first', () => {
  /** Ada names the index of bob's DID before bob does. */
  function squatted() {
    const scene = ready(BLINDED);
    const [ada, bob] = scene.wallets as [Wallet, Wallet];
    const one = newController('one');
    scene.aggregator.documents.set(one.did, { document: one.document, version: 1 });
    for (const wallet of [ada, bob]) wallet.addDid(one);
    ada.register(scene.cohort, one);
    deliver(scene);
    const at = (wallet: Wallet) => wallet.beacon(scene.cohort).registrations.get(one.did);
    expect(at(ada)).toEqual({ name: 'held', proven: false });
    return { scene, ada, bob, one, at };
  }

  test('is won back by its controller, who says so, and both see what happened', () => {
    const { scene, ada, bob, one, at } = squatted();
    bob.register(scene.cohort, one);
    deliver(scene);
    expect(at(bob)).toMatchObject({ name: 'refused', code: 'did_taken' });
    expect(JSON.stringify(bob.sent)).not.toContain(one.did);

    bob.register(scene.cohort, one, true);
    deliver(scene);
    expect(at(bob)).toEqual({ name: 'held', proven: true });
    expect(at(ada)).toMatchObject({ name: 'refused', code: 'did_taken' });
    expect(scene.aggregator.beacon.registry.get(indexOf(one.did))).toMatchObject({
      proven: true,
      did: indexOf(one.did),
    });

    // The squatter's word is worth nothing any more, and the controller's leaf goes into the next signal.
    ada.register(scene.cohort, one);
    deliver(scene);
    expect(at(ada)).toMatchObject({ name: 'refused', code: 'did_taken' });
    expect(at(bob)).toEqual({ name: 'held', proven: true });
  });

  test('is not won by a proof of somebody who does not control it', () => {
    const { scene, ada, bob, one, at } = squatted();
    bob.register(scene.cohort, { ...one, secret: newController('two').secret }, true);
    deliver(scene);
    expect(at(bob)).toMatchObject({ name: 'refused', code: 'control_not_proven' });
    expect(at(ada)).toEqual({ name: 'held', proven: false });
  });

  test('and nothing else ever names a DID, also when everything else was sent before', async () => {
    const { scene, ada, one } = squatted();
    const made = await drafted(one, 'first');
    ada.submit(one, made.update, made.document, [scene.cohort]);
    wait(scene, 90_000);
    mine(scene, 7);
    expect(ada.beacon(scene.cohort).signals.size).toBe(1);
    expect(JSON.stringify(ada.sent)).not.toContain(one.did);
  });
});

describe('an index that somebody else proved control of', () => {
  const told = (given: Lied, field: string) =>
    given.liar.say({ type: 'rejection', body: { code: 'did_taken', text: 'another member proved control', field } });

  test('is not expected in any signal any more, and its updates are given up here', async () => {
    const given = blinded();
    const [one, two] = [held(given, 'one'), held(given, 'two')];
    await submitted(given, one, 'first');
    expect(typesOf(told(given, indexOf(one.did)))).toEqual(['registration_refused', 'update_moved']);
    expect(given.wallet.beacon(given.liar.cohort).registrations.get(one.did)).toMatchObject({
      name: 'refused',
      code: 'did_taken',
    });
    expect(updateState(given.wallet, one.did)).toEqual(['refused']);
    const leaves = answered(given, 'O1');
    expect(Object.keys(leaves)).toEqual([indexOf(two.did)]);
    const theirs = { ...leaves, [indexOf(one.did)]: drawHex('of its holder') };
    expect(sentOf(given.liar.ask(request(given, 'O1', theirs, [two.did])), 'nonce')).toHaveLength(1);
  });

  test('that is said of nothing the wallet holds changes nothing', () => {
    const given = blinded();
    held(given, 'one');
    expect(told(given, indexOf('did:btcr2:stranger')).refused).toMatch(/did_taken/);
    expect(told(given, 'body.did').refused).toMatch(/did_taken/);
  });

  test('does not open a lock, nor let another update of its version through', async () => {
    const given = blinded();
    const one = held(given, 'one');
    await submitted(given, one, 'first');
    sign(given, request(given, 'O1', answered(given, 'O1'), [one.did]));
    told(given, indexOf(one.did));
    expect(updateState(given.wallet, one.did)).toEqual(['locked']);
    const rival = await drafted(one, 'rival');
    const outcome = given.wallet.submit(one, rival.update, rival.document, [given.liar.cohort]);
    expect(outcome.refused).toMatch(/which is locked/);
  });
});
