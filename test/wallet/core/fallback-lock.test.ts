import { afterEach, describe, expect, test } from 'vitest';
import { buildSpend } from '../../../src/bitcoin/index.ts';
import type { Envelope, Message, Terms } from '../../../src/messages/index.ts';
import { openSessions } from '../../../src/wallet/core.ts';
import { addService, draw, drawHex, updateOf, xOnly } from '../../cohort/members.ts';
import { deliver, form, newOffer, newOwned, newScene, register, submit } from '../../protocol/scene.ts';
import { type Outcome, sealed, sentOf, updateState, type Wallet } from './wallet.ts';

const POLICY = {
  type: 'fallback',
  threshold: 'n-1',
  recovery_key: xOnly(draw('recovery key')),
  recovery_delay_blocks: 144,
} as const;

let scenes = 0;
const restartable: Wallet[] = [];
afterEach(() => {
  for (const wallet of restartable.splice(0)) wallet.restart();
});

/** Three members, of whom ada has an update; the aggregator's mail to her may be held back. */
async function begun(changes: Partial<Terms>, stays: (scene: ReturnType<typeof newScene>) => (e: Envelope) => boolean) {
  const offer = await newOffer(`wallet-fallback-lock-${scenes++}`, {
    policy: POLICY,
    cohort_size: { min: 3, max: 3 },
    ...changes,
  });
  const scene = newScene(offer, ['ada', 'bob', 'eve']);
  const [ada] = scene.wallets as [Wallet];
  form(scene);
  const one = newOwned(scene, ada, 'one');
  register(scene, ada, one);
  await submit(scene, ada, one);
  const hold = stays(scene);
  scene.world.now += changes.flow === 'pull' ? 86_400 : 0;
  scene.aggregator.feed({ type: 'advance' });
  deliver(scene, hold);
  restartable.push(ada);
  const rival = await updateOf(one, addService('rival'));
  return { scene, ada, one, rival };
}

type Begun = Awaited<ReturnType<typeof begun>>;

const toAda = (type: Envelope['type']) => (scene: Begun['scene']) => {
  const { transport } = scene.wallets[0]!.membership(scene.cohort);
  return (envelope: Envelope) => envelope.type === type && envelope.to === transport;
};

/** Ada has given her nonces, and hears nothing more of it. */
const nonced = (changes: Partial<Terms> = {}) => begun(changes, toAda('aggregated_nonce'));

/** Ada has checked the session, and her nonces are not drawn yet. */
const checked = (changes: Partial<Terms> = {}) =>
  begun(changes, scene => {
    scene.wallets[0]!.works = false;
    return () => false;
  });

let seq = 5_000;
function say({ scene, ada }: Begun, message: Message): Outcome {
  const { transport: to } = ada.membership(scene.cohort);
  const letter = { message, to, cohort: scene.cohort, seq: seq++, created_at: scene.world.now };
  return ada.receive(sealed({ secret: scene.offer.transport }, letter));
}

const stageOf = ({ scene, ada }: Begun): string[] =>
  [...ada.beacon(scene.cohort).sessions.values()].map(({ stage }) => stage.name);

describe('where all but one can finish a session, the nonces of each lock what it announces', () => {
  test('another update of that version is refused, in any cohort and by the own beacon', async () => {
    const given = await nonced();
    const { scene, ada, one, rival } = given;
    expect(stageOf(given)).toEqual(['nonce_sent']);
    expect(updateState(ada, one.did)).toEqual(['locked']);
    expect(ada.submit(one, rival, one.document, [scene.cohort]).refused).toMatch(/version 2 has the update .* locked/);
    expect(ada.submit(one, rival, one.document, []).refused).toMatch(/version 2 has the update .* locked/);
    // A restart loses the nonces, and not the lock; nor does the aggregator's word that all is over.
    ada.restart();
    const [session] = [...ada.beacon(scene.cohort).sessions.values()];
    const { session_id } = session!;
    ada.feed({ type: 'nonce_lost', cohort: scene.cohort, session_id });
    ada.look(scene.cohort);
    const about = { session_id, round: 1, attempt: 1, text: 'over', blame: [], not_heard: [], evidence: [] };
    say(given, { type: 'round_aborted', body: { ...about, reason: 'cancelled', open: false } });
    expect(stageOf(given)).toEqual(['lost']);
    expect(updateState(ada, one.did)).toEqual(['locked']);
    expect(ada.submit(one, rival, one.document, []).refused).toMatch(/locked/);
    // What binds is the version: nothing was signed for the outpoint.
    expect(openSessions(ada.beacon(scene.cohort))).toEqual([]);
  });

  test('without a fallback nobody can: there an update may be replaced until it is signed', async () => {
    const given = await nonced({ policy: { type: 'keypath' } });
    const { scene, ada, one, rival } = given;
    expect(stageOf(given)).toEqual(['nonce_sent']);
    expect(updateState(ada, one.did)).not.toContain('locked');
    expect(ada.submit(one, rival, one.document, [scene.cohort]).refused).toBeNull();
  });

  test('it is announced by the others, and is final for the one that was silent, with no rival left behind', async () => {
    const given = await nonced({ flow: 'pull', frequency: { interval: 86_400, min_interval: 0, pending_updates: 1 } });
    const { scene, ada, one } = given;
    const { transport } = ada.membership(scene.cohort);
    scene.aggregator.mail = [];
    scene.world.now += 3_600;
    scene.aggregator.feed({ type: 'advance' });
    deliver(scene, ({ to }) => to === transport);
    scene.world.chain.mine(6);
    ada.look(scene.cohort);
    expect(updateState(ada, one.did)).toEqual(['final']);
  });

  test('once the outpoint went elsewhere it comes back, to be announced as it is', async () => {
    const { scene, ada, one, rival } = await nonced();
    const { script_hex } = ada.beacon(scene.cohort);
    const [session] = [...ada.beacon(scene.cohort).sessions.values()];
    const elsewhere = { prevout: session!.outpoint, scriptHex: script_hex, toHex: script_hex, feeSats: 300 };
    scene.world.chain.submit(buildSpend(elsewhere).unsignedHex);
    scene.world.chain.mine(6);
    ada.look(scene.cohort);
    expect(updateState(ada, one.did)).toEqual(['returned']);
    expect(ada.submit(one, rival, one.document, []).refused).toMatch(/returned/);
  });

  test('the last look is where they leave: what is wrong by then gets none', async () => {
    const given = await checked();
    const { scene, ada, one } = given;
    expect(stageOf(given)).toEqual(['checked']);
    ada.addDid(newOwned(scene, ada, 'late'));
    ada.works = true;
    const outcome = ada.work(job => job.type === 'draw_nonces');
    expect(sentOf(outcome, 'nonce')).toEqual([]);
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'evidence_missing' }]);
    expect(updateState(ada, one.did)).not.toContain('locked');
  });

  test('a rival that was on its way by then is overtaken: the locked one is sent again', async () => {
    const given = await checked();
    const { scene, ada, one, rival } = given;
    expect(ada.submit(one, rival, one.document, [scene.cohort]).refused).toBeNull();
    ada.works = true;
    expect(
      sentOf(
        ada.work(job => job.type === 'draw_nonces'),
        'nonce',
      ),
    ).toHaveLength(1);
    expect(updateState(ada, one.did).sort()).toEqual(['locked', 'replaced']);
    const [locked, other] = ['locked', 'replaced'].map(
      state => ada.state.dids.get(one.did)!.updates.find(update => update.state === state)!,
    );
    const body = { accepted: 'did_update', did: one.did, target_version_id: 2, verified: true } as const;
    const answer = (announcement: string) =>
      say(given, { type: 'ack', body: { ...body, announcement, state: 'queued' } });
    expect(sentOf(answer(other!.announcement), 'did_update')).toMatchObject([{ invocation: locked!.update }]);
    expect(sentOf(answer(locked!.announcement), 'did_update')).toEqual([]);
  });

  test.each(['none', 'blinded'] as const)(
    'a later question gets it again, until it is signed (privacy %s)',
    async privacy => {
      const flow = { flow: 'pull', frequency: { interval: 86_400, min_interval: 0, pending_updates: 1 } } as const;
      const given = await nonced({ ...flow, privacy, ...(privacy === 'blinded' ? { unproven_dids: true } : {}) });
      const { scene, ada, one } = given;
      expect(updateState(ada, one.did)).toEqual(['locked']);
      const { beacon_address } = ada.beacon(scene.cohort);
      const question = (name: string) =>
        sentOf(
          say(given, {
            type: 'update_opportunity',
            body: { beacon_address, round: 2, attempt: 1, opportunity_id: drawHex(name), deadline: 0xffff_ffff },
          }),
          'update_response',
        )[0]!.wants_signal;
      expect(question('another')).toBe(true);
      const held = scene.aggregator.mail.filter(({ type }) => type === 'aggregated_nonce');
      for (const envelope of held) ada.receive(envelope);
      expect(stageOf(given)).toContain('signed');
      expect(question('a third')).toBe(false);
    },
  );
});
