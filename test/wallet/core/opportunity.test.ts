import { describe, expect, test } from 'vitest';
import type { Terms } from '../../../src/messages/index.ts';
import { drawHex } from '../../cohort/members.ts';
import {
  deliver,
  drafted,
  mine,
  only,
  ready,
  register,
  registerListed,
  resolveBy,
  type Scene,
  wait,
} from './driver.ts';
import { hashOf, held, lied, sign } from './given.ts';
import { sentOf, updateState } from './wallet.ts';

const DAY = 86_400;
const PULL: Partial<Terms> = { flow: 'pull', frequency: { interval: DAY, min_interval: 0, pending_updates: 1 } };

const signalsOf = ({ aggregator }: Scene): number => aggregator.beacon.signals.length;

describe.each([
  { name: 'SMT', terms: { ...PULL, type: 'SMTBeacon' } },
  { name: 'CAS', terms: { ...PULL, type: 'CASBeacon' } },
  { name: 'blinded', terms: { ...PULL, type: 'SMTBeacon', privacy: 'blinded' } },
] as const)('$name: wallets that are asked for updates', ({ terms }) => {
  test('announce what they have, round after round, replaced ones and late DIDs among them', async () => {
    const scene = ready(terms);
    const [ada, bob] = scene.wallets;
    const one = registerListed(scene, ada!, 'one');
    const two = registerListed(scene, bob!, 'two');
    wait(scene, DAY);
    expect(signalsOf(scene)).toBe(0);

    const replaced = await drafted(one, 'replaced');
    ada!.submit(one, replaced.update, replaced.document, [scene.cohort]);
    const first = await drafted(one, 'first');
    ada!.submit(one, first.update, first.document, [scene.cohort]);
    wait(scene, DAY);
    mine(scene, 7);
    expect(updateState(ada!, one.did).sort()).toEqual(['final', 'replaced']);

    const late = registerListed(scene, bob!, 'late');
    const next = await drafted(one, 'next', { document: first.document, version: 2 });
    ada!.submit(one, next.update, next.document, [scene.cohort]);
    const second = await drafted(late, 'second');
    bob!.submit(late, second.update, second.document, [scene.cohort]);
    wait(scene, DAY);
    mine(scene, 7);
    expect(signalsOf(scene)).toBe(2);
    expect(updateState(ada!, one.did, 3)).toEqual(['final']);
    for (const [wallet, did, version] of [
      [ada!, one, '3'],
      [bob!, two, '1'],
      [bob!, late, '2'],
    ] as const)
      expect((await resolveBy(scene, wallet, did)).versionId).toBe(version);
  });

  test('sign the same set again when a retry of an open session asks only who is there', async () => {
    const scene = ready(terms);
    const [ada, bob] = scene.wallets;
    const one = registerListed(scene, ada!, 'one');
    const made = await drafted(one, 'first');
    ada!.submit(one, made.update, made.document, [scene.cohort]);
    wait(scene, DAY, only('aggregated_nonce'));
    // Ada signs; bob never hears of the aggregated nonce, and restarts.
    const toBob = (to: string) => to === bob!.membership(scene.cohort).transport;
    scene.aggregator.mail = scene.aggregator.mail.filter(({ to, type }) => !(type === 'aggregated_nonce' && toBob(to)));
    deliver(scene);
    bob!.restart();
    const before = scene.aggregator.beacon.round?.frozen;
    const late = registerListed(scene, bob!, 'late');
    wait(scene, 600);
    wait(scene, 3_600);
    expect(scene.aggregator.beacon.round?.frozen).toEqual(before);
    expect(scene.aggregator.beacon.round?.stage.name).toBe('announced');
    mine(scene, 7);
    expect((await resolveBy(scene, ada!, one)).versionId).toBe('2');
    expect((await resolveBy(scene, bob!, late)).versionId).toBe('1');
  });
});

describe('a DID whose other holder proved control', () => {
  test('leaves the first holder free to sign what comes', async () => {
    const scene = ready({ ...PULL, unproven_dids: true });
    const [ada, bob] = scene.wallets;
    const two = register(scene, bob!, 'two');
    const one = register(scene, ada!, 'one');
    scene.aggregator.documents.set(one.did, { document: one.document, version: 2 });
    bob!.addDid(one);
    bob!.register(scene.cohort, one);
    deliver(scene);
    expect(ada!.beacon(scene.cohort).registrations.get(one.did)).toMatchObject({ name: 'refused', code: 'did_taken' });
    const made = await drafted(two, 'first');
    bob!.submit(two, made.update, made.document, [scene.cohort]);
    wait(scene, DAY);
    mine(scene, 7);
    expect(signalsOf(scene)).toBe(1);
    expect(updateState(bob!, two.did)).toEqual(['final']);
  });
});

describe('a refused entry', () => {
  test('is given up, and the rest of the answer goes out at once', async () => {
    const scene = ready(PULL);
    const [ada, bob] = scene.wallets;
    const [one, two] = [register(scene, ada!, 'one'), register(scene, ada!, 'two')];
    register(scene, bob!, 'three');
    // The aggregator knows version 1 only: version 3 would leave a gap.
    const first = await drafted(one, 'elsewhere');
    const gap = await drafted(one, 'gap', { document: first.document, version: 2 });
    ada!.submit(one, gap.update, gap.document, [scene.cohort]);
    const good = await drafted(two, 'good');
    ada!.submit(two, good.update, good.document, [scene.cohort]);
    wait(scene, DAY);
    expect(scene.aggregator.beacon.round?.stage.name).toBe('announced');
    expect(scene.aggregator.beacon.failures).toBe(0);
    expect(updateState(ada!, one.did, 3)).toEqual(['refused']);
    expect(updateState(ada!, two.did)).toEqual(['locked']);
  });

  const asked = async () => {
    const given = lied(PULL);
    const one = held(given, 'one');
    const made = await drafted(one, 'first');
    given.wallet.submit(one, made.update, made.document, [given.liar.cohort]);
    const body = {
      beacon_address: given.liar.address,
      round: 1,
      attempt: 1,
      opportunity_id: drawHex('O1'),
      deadline: 2_000_000_000,
    };
    const ask = () => given.liar.say({ type: 'update_opportunity', body });
    const [answer] = ask().sent;
    const refuse = (field: string, to = answer!) =>
      given.liar.say(
        { type: 'rejection', body: { code: 'update_invalid', text: 'no', field } },
        { in_reply_to: to.id },
      );
    return { given, one, made, ask, answer, refuse };
  };

  test.each(['body.entries', 'body.entries.7.invocation', 'body.entries.-1', 'body.entries.00x', '__proto__'])(
    'named as %s is none: nothing is sent again',
    async field => {
      const { refuse, one, given } = await asked();
      expect(refuse(field).sent).toEqual([]);
      expect(updateState(given.wallet, one.did)).toEqual(['signed']);
      expect(given.wallet.membership(given.liar.cohort).last_abort).toMatchObject({ text: 'no' });
    },
  );

  test('comes to an end: each refusal takes an update away', async () => {
    const { refuse, given, one } = await asked();
    const [second] = refuse('body.entries.0.invocation').sent;
    expect(second).toMatchObject({ type: 'update_response', body: { wants_signal: false } });
    expect(updateState(given.wallet, one.did)).toEqual(['refused']);
    expect(refuse('body.entries.0.invocation', second!).sent).toEqual([]);
  });

  test('cannot be what a partial signature left for', async () => {
    const { refuse, given, one, made } = await asked();
    const parts = { updates: { [one.did]: hashOf(made) }, outpoint: given.outpoint };
    sign(given, given.liar.request(parts));
    expect(updateState(given.wallet, one.did)).toEqual(['locked']);
    expect(refuse('body.entries.0.invocation').sent).toEqual([]);
    expect(updateState(given.wallet, one.did)).toEqual(['locked']);
  });

  test('acknowledgements move what was answered, and nothing else', async () => {
    const { given, one, made, answer } = await asked();
    const ack = (announcements: string[]) =>
      given.liar.say(
        { type: 'ack', body: { accepted: 'update_response', opportunity_id: drawHex('O1'), announcements } },
        { in_reply_to: answer!.id },
      );
    expect(ack([drawHex('never made')]).events.map(event => event.type)).toEqual(['answered']);
    ack([hashOf(made)]);
    expect(updateState(given.wallet, one.did)).toEqual(['acked']);
    expect(sentOf({ sent: given.wallet.sent }, 'did_update')).toEqual([]);
  });
});
