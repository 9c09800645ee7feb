import { describe, expect, test } from 'vitest';
import { type Envelope, rebindStatement } from '../../../src/messages/index.ts';
import { draw, newController, schnorr, xOnly } from '../../cohort/members.ts';
import { deliver, drafted, mine, only, ready, register, registerListed, resolveBy, type Scene } from './driver.ts';
import { sealed, sentOf, typesOf, updateState, type Wallet } from './wallet.ts';

const COUNTER = 1_900_000_000;

/** The mail that lies where only the lost key could read it. */
function lose({ aggregator }: Scene, wallet: Wallet, cohort: string): void {
  const { transport } = wallet.membership(cohort);
  aggregator.mail = aggregator.mail.filter(envelope => envelope.to !== transport);
}

describe('a member with a new transport key', () => {
  test('is the same member: its update goes on from where it was, to a signal', async () => {
    const scene = ready();
    const [ada] = scene.wallets as [Wallet];
    const { cohort } = scene;
    const one = registerListed(scene, ada, 'one');
    const { transport: before } = ada.membership(cohort);
    const { update, document } = await drafted(one, 'first');
    // The update is on its way, by a key that is lost before anybody reads it.
    ada.submit(one, update, document, [cohort]);
    ada.mail = [];
    const asked = ada.rebind(cohort, COUNTER);
    expect(typesOf(asked)).toEqual(['rebind_asked']);
    expect(ada.membership(cohort)).toMatchObject({ transport: before, rebinding: { counter: COUNTER } });
    deliver(scene);
    expect(ada.membership(cohort)).toMatchObject({ rebind_counter: COUNTER, rebinding: null });
    expect(ada.membership(cohort).transport).not.toBe(before);
    expect(ada.state.asked.size).toBe(0);
    mine(scene, 7);
    expect(updateState(ada, one.did)).toEqual(['final']);
    expect((await resolveBy(scene, ada, one)).versionId).toBe('2');
    ada.restart();
    expect(ada.membership(cohort).rebind_counter).toBe(COUNTER);
  });

  test.each([
    ['the presence question', 'presence'],
    ['the request to sign', 'authorize_beacon_signal_request'],
    ['the aggregated nonce', 'aggregated_nonce'],
  ] as const)('is asked again for what went to the old one: %s', async (_, type) => {
    const scene = ready();
    const [ada, bob] = scene.wallets as [Wallet, Wallet];
    const two = register(scene, bob, 'two');
    const { update, document } = await drafted(two, 'first');
    bob.submit(two, update, document, [scene.cohort]);
    deliver(scene, only(type));
    lose(scene, ada, scene.cohort);
    ada.rebind(scene.cohort, COUNTER);
    deliver(scene);
    mine(scene, 6);
    expect(updateState(bob, two.did)).toEqual(['final']);
    // Nobody had to be waited for.
    expect(scene.aggregator.beacon.signals).toHaveLength(1);
    expect(ada.beacon(scene.cohort).sessions.size).toBe(1);
  });

  test('takes any word of the aggregator to it for a yes: the answer itself may come later', () => {
    const scene = ready();
    const [ada] = scene.wallets as [Wallet];
    ada.rebind(scene.cohort, COUNTER);
    deliver(scene, only('ack'));
    const { transport } = ada.membership(scene.cohort).rebinding!;
    const presence = {
      type: 'presence' as const,
      body: { beacon_address: ada.beacon(scene.cohort).beacon_address, round: 1, attempt: 1 },
    };
    const header = { to: transport, cohort: scene.cohort, seq: 900, created_at: scene.world.now };
    const outcome = ada.receive(sealed({ secret: scene.aggregator.transportSecret }, { message: presence, ...header }));
    expect(typesOf(outcome)).toEqual(['rebound']);
    expect(sentOf(outcome, 'presence_ack')).toHaveLength(1);
    expect(outcome.sent.map(envelope => envelope.from)).toEqual([transport]);
    deliver(scene);
    expect(ada.membership(scene.cohort)).toMatchObject({ transport, rebinding: null });
  });

  test('a registration that nobody answered has to be made again, and is', () => {
    const scene = ready();
    const [ada] = scene.wallets as [Wallet];
    const one = newController('one');
    scene.aggregator.documents.set(one.did, { document: one.document, version: 1 });
    ada.addDid(one);
    ada.register(scene.cohort, one);
    ada.mail = [];
    ada.rebind(scene.cohort, COUNTER);
    deliver(scene);
    expect(ada.beacon(scene.cohort).registrations.get(one.did)).toMatchObject({ name: 'refused', code: 'rebound' });
    ada.register(scene.cohort, one);
    deliver(scene);
    expect(ada.beacon(scene.cohort).registrations.get(one.did)).toMatchObject({ name: 'held' });
  });
});

describe('what is refused', () => {
  test('a counter that does not grow, and a key that serves another cohort', () => {
    const scene = ready();
    const [ada] = scene.wallets as [Wallet];
    ada.rebind(scene.cohort, COUNTER);
    deliver(scene);
    expect(ada.rebind(scene.cohort, COUNTER - 1).refused).toMatch(/above 1900000000/);
    const { transport } = ada.membership(scene.cohort);
    const again = { type: 'rebind' as const, cohort: scene.cohort, counter: COUNTER + 1, sig: 'ab'.repeat(64) };
    expect(ada.feed({ ...again, transport }).refused).toMatch(/was used/);
  });

  test("the aggregator's refusal is kept, the old key stays, and another try is free", () => {
    const scene = ready();
    const [ada] = scene.wallets as [Wallet];
    const { transport } = ada.membership(scene.cohort);
    // A copy of this wallet was here before, with a later counter.
    const { cohort, world, aggregator } = scene;
    const { participant_pk, terms } = ada.membership(cohort);
    const copy = draw('transport key of a copy');
    const about = { participant_pk, transport_key: xOnly(copy), counter: COUNTER + 5 };
    const sig = schnorr(rebindStatement({ cohort, ...about }), draw(`cohort key of ada in ${cohort}`));
    const message = { type: 'rebind' as const, body: { ...about, sig } };
    aggregator.receive(
      sealed({ secret: copy }, { message, to: terms.transport_key, cohort, seq: 0, created_at: world.now }),
    );
    ada.rebind(scene.cohort, COUNTER);
    deliver(scene);
    expect(ada.membership(scene.cohort)).toMatchObject({
      transport,
      rebinding: { refused: expect.stringMatching(/^counter_too_low/) },
    });
    ada.rebind(scene.cohort, COUNTER + 6);
    deliver(scene);
    expect(ada.membership(scene.cohort)).toMatchObject({ rebind_counter: COUNTER + 6, rebinding: null });
  });

  test('somebody else cannot talk the wallet onto the new key', () => {
    const scene = ready();
    const [ada] = scene.wallets as [Wallet];
    ada.rebind(scene.cohort, COUNTER);
    ada.mail = [];
    const { transport } = ada.membership(scene.cohort).rebinding!;
    const ack = { type: 'ack' as const, body: { accepted: 'rebind' as const, counter: COUNTER } };
    const header = { to: transport, cohort: scene.cohort, seq: 900, created_at: scene.world.now };
    const forged: Envelope = sealed({ secret: new Uint8Array(32).fill(9) }, { message: ack, ...header });
    expect(ada.receive(forged).dropped).toMatch(/not from the transport key/);
    expect(ada.membership(scene.cohort).rebinding).not.toBeNull();
  });
});
