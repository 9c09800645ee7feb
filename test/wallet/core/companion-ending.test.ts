import { describe, expect, test } from 'vitest';
import { scriptToAddress } from '../../../src/bitcoin/index.ts';
import type { Envelope, Message } from '../../../src/messages/index.ts';
import { asCompanion, asOwner } from '../../../src/wallet/companion/pair.ts';
import { jobsOf } from '../../../src/wallet/core.ts';
import { draw, xOnly } from '../../cohort/members.ts';
import { COMPANION, ONE_TIME, OWNER, type Paired, standing } from '../../protocol/pairing.ts';
import { deliver, fund, mine, submit } from '../../protocol/scene.ts';
import { sealed, sentOf, typesOf, updateState } from './wallet.ts';

const TO = scriptToAddress(`5120${xOnly(draw('where the money goes'))}`, 'regtest')!;

const end = (
  { owner, scene }: Paired,
  over: { release?: string | null; delete_key?: boolean; abandon?: boolean } = {},
) =>
  owner.feed({ type: 'companion_end', cohort: scene.cohort, release: TO, delete_key: true, abandon: false, ...over });

const phases = ({ owner, companion, scene }: Paired): string[] =>
  [companion, owner].map(wallet => wallet.membership(scene.cohort).phase.name);

/** A cohort with money whose one DID has left its beacon, six blocks deep. */
async function left(name: string): ReturnType<typeof standing> {
  const pair = await standing(name);
  const { scene, owner, one } = pair;
  fund(scene);
  await submit(scene, owner, one, { patch: [{ op: 'remove', path: '/service/0' }] });
  deliver(scene);
  mine(scene, 6);
  expect(updateState(owner, one.did)).toEqual(['final']);
  return pair;
}

describe('what the aggregator says of the end', () => {
  test('reaches the owner through its companion', async () => {
    const pair = await standing('told');
    const { scene, owner } = pair;
    scene.aggregator.feed({
      type: 'end_cohort',
      successor: null,
      deadline: scene.world.now + 86_400,
      text: 'this cohort ends',
    });
    deliver(scene);
    expect(owner.beacon(scene.cohort).status).toMatchObject({
      text: expect.stringMatching(/^this cohort ends/),
      succession: {},
    });
    // The same again, as a companion says it with all that changes, is no news.
    const told = asOwner(owner.state)!.told!;
    const again = sealed(
      { secret: COMPANION },
      {
        message: { type: 'companion_state', body: told },
        to: xOnly(OWNER),
        cohort: xOnly(ONE_TIME),
        seq: 7_000,
        created_at: scene.world.now,
      },
    );
    expect(typesOf(owner.receive(again))).not.toContain('status_told');
  });
});

describe('a companion whose owner gives a cohort up', () => {
  test('lets the money go where its owner said, deletes its key by itself when nothing needs it, and says so', async () => {
    const pair = await left('ends');
    const { scene, owner, companion, bob, cohort } = pair;
    end(pair);
    deliver(scene);
    expect(owner.beacon(cohort).release).toBe(TO);
    expect(companion.beacon(cohort).release).toBe(TO);
    mine(scene);
    // There is money, and only this key, with the others, can move it.
    expect(phases(pair)).toEqual(['ready', 'ready']);
    bob.feed({ type: 'agree_release', cohort, to: TO });
    scene.aggregator.feed({
      type: 'end_cohort',
      successor: null,
      deadline: scene.world.now + 86_400,
      text: 'this cohort ends',
    });
    scene.aggregator.feed({ type: 'start_spend', purpose: 'move', to: TO });
    deliver(scene);
    mine(scene, 5);
    expect(phases(pair)).toEqual(['ready', 'ready']);
    mine(scene, 2);
    expect(phases(pair)).toEqual(['retired', 'retired']);
    expect(sentOf(companion, 'key_deleted')).toHaveLength(1);
    expect(jobsOf(companion.state)).toEqual([]);
    // From here on it fetches proofs, as its owner does through it.
    expect([...owner.state.asked.values()].map(({ slot }) => slot)).toEqual([]);
    const { beacon_address } = sentOf(companion, 'key_deleted')[0]!;
    expect(beacon_address).toMatch(/^bcrt1p/);
  });

  test('takes no new update or registration there, and signs what is under way before the key goes', async () => {
    const pair = await standing('no-more');
    const { scene, owner, companion, one, cohort } = pair;
    fund(scene);
    await submit(scene, owner, one, { patch: [{ op: 'remove', path: '/service/0' }] });
    end(pair, { abandon: true });
    deliver(scene);
    // Abandoned are money and sessions, never an update that was signed for.
    mine(scene);
    expect(phases(pair)).toEqual(['ready', 'ready']);
    expect(updateState(companion, one.did)).toEqual(['broadcast']);
    mine(scene, 6);
    expect(updateState(owner, one.did)).toEqual(['final']);
    expect(phases(pair)).toEqual(['retired', 'retired']);

    const other = await standing('no-more-2');
    end(other);
    deliver(other.scene);
    await submit(other.scene, other.owner, other.one);
    deliver(other.scene);
    expect(sentOf(other.companion, 'rejection')).toMatchObject([
      { code: 'wrong_phase', text: /key of this cohort deleted/ },
    ]);
    expect(updateState(other.owner, other.one.did)).toEqual(['refused']);
    expect(cohort).not.toBe(other.cohort);
  });

  test('does as it is told last: an end that is taken back deletes nothing', async () => {
    const pair = await left('back');
    const { scene, companion, cohort } = pair;
    end(pair, { abandon: true });
    end(pair, { release: null, delete_key: false, abandon: true });
    deliver(scene);
    mine(scene, 2);
    expect(phases(pair)).toEqual(['ready', 'ready']);
    expect(companion.beacon(cohort).release).toBeNull();
    end(pair, { release: null, abandon: true });
    deliver(scene);
    mine(scene, 2);
    expect(phases(pair)).toEqual(['retired', 'retired']);
    // Once more, after the answer was lost: it is said again.
    expect(end(pair).refused).toBeNull();
    deliver(scene);
    expect(sentOf(companion, 'rejection')).toEqual([]);
    expect(asCompanion(companion.state)!.endings.size).toBe(1);
  });

  test('is told by its owner alone, and about its own cohorts', async () => {
    const pair = await left('forged');
    const { scene, owner, companion, cohort } = pair;
    const order = (of: string, release: string): Message => ({
      type: 'companion_end',
      body: { cohort: of, release, delete_key: true, abandon: true },
    });
    const letter = (message: Message, secret: Uint8Array): Envelope =>
      sealed(
        { secret },
        { message, to: xOnly(COMPANION), cohort: xOnly(ONE_TIME), seq: 8_000, created_at: scene.world.now },
      );
    expect(companion.receive(letter(order(cohort, TO), draw('a stranger'))).dropped).toMatch(/not from the owner/);
    expect(companion.receive(letter(order(cohort, TO), scene.offer.transport)).dropped).toMatch(/not from the owner/);
    const elsewhere = companion.receive(letter(order('ab'.repeat(32), TO), OWNER));
    expect(sentOf(elsewhere, 'rejection')).toMatchObject([{ code: 'wrong_phase' }]);
    const mainnet = 'bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr';
    const wrong = companion.receive(letter(order(cohort, mainnet), OWNER));
    expect(sentOf(wrong, 'rejection')).toMatchObject([{ code: 'wrong_address', field: 'body.release' }]);
    mine(scene, 2);
    expect(phases(pair)).toEqual(['ready', 'ready']);
    expect(
      owner.feed({ type: 'companion_end', cohort, release: mainnet, delete_key: true, abandon: false }).refused,
    ).toMatch(/no address on regtest/);
  });
});
