import { describe, expect, test } from 'vitest';
import { scriptToAddress } from '../../src/bitcoin/index.ts';
import { roundBlocker } from '../../src/cohort/index.ts';
import type { Successor } from '../../src/cohort/state.ts';
import { applyUpdate, type DidDocument, type Patch } from '../../src/did/index.ts';
import { type Message, rebindStatement } from '../../src/messages/index.ts';
import {
  type Cohort,
  checkControl,
  deliver,
  formed,
  fund,
  refusal,
  registration,
  type SentBody,
  sentOf,
  silent,
  startCohort,
  typesOf,
  update,
} from './driver.ts';
import { type Controller, draw, drawHex, type Member, newController, schnorr, updateOf, xOnly } from './members.ts';

const LINK = 'nostr+btcr2://eyJ2IjoxfQ';
const NEW_ADDRESS = scriptToAddress(`5120${drawHex('another key')}`, 'regtest')!;
const successor = (beacon_address: string | null = null): Successor => ({
  cohort: drawHex('the advert event of the successor'),
  terms_hash: drawHex('the terms of the successor'),
  link: LINK,
  beacon_address,
});

const begin = (cohort: Cohort, next: Successor | null = successor(), wait = 86_400) =>
  cohort.give({ type: 'end_cohort', successor: next, deadline: cohort.now + wait, text: 'we move on' });
const leave = (member: Member): Message => ({ type: 'leave', body: { participant_pk: member.pk, reason: 'moving' } });
const deleted = (cohort: Cohort, member: Member): Message => ({
  type: 'key_deleted',
  body: { participant_pk: member.pk, beacon_address: cohort.beacon.address },
});
const told = (outcome: Parameters<typeof sentOf>[0]) => sentOf(outcome, 'cohort_status');
const stagesTold = (outcomes: SentBody<'cohort_status'>[]) => outcomes.map(({ body }) => body.succession?.stage);

const TAKE_OUT: Patch = [{ op: 'remove', path: '/service/3' }];

/** A DID whose newest document lists the cohort's beacon, behind the three of its own key. */
function listed(cohort: Cohort, member: Member, name: string): Controller & { listing: DidDocument } {
  const controller = newController(name);
  const beacon = {
    id: '#cohort',
    type: 'SMTBeacon',
    serviceEndpoint: `bitcoin:${cohort.beacon.address.toUpperCase()}`,
  };
  const listing = { ...controller.document, service: [...(controller.document.service ?? []), beacon] } as DidDocument;
  cohort.tell(member, registration(cohort, member, controller));
  checkControl(cohort, controller, 2, listing);
  return { ...controller, listing };
}

/** Sends the update that takes the beacon out again. */
async function takeOut(cohort: Cohort, member: Member, { listing, ...controller }: ReturnType<typeof listed>) {
  const signed = await updateOf(controller, TAKE_OUT, { document: listing, version: 2 });
  expect(applyUpdate({ did: controller.did, document: listing, versionId: 2, update: signed }).service).toHaveLength(3);
  return cohort.tell(member, update(cohort, member, controller.did, signed));
}

/** Three members, two with a DID that lists the beacon. */
function listing(changes = {}) {
  const cohort = formed(changes);
  const [ada, bob, eve] = cohort.members as [Member, Member, Member];
  fund(cohort);
  return { cohort, ada, bob, eve, one: listed(cohort, ada, 'one'), two: listed(cohort, bob, 'two') };
}

const blocker = (cohort: Cohort) => {
  const chain = cohort.chain.view(cohort.beacon.script_hex);
  return roundBlocker(cohort.state, cohort.beacon, { now: cohort.now, entropy: '', chain });
};

describe('a member that goes', () => {
  test('says so once the cohort stands: all are told, and it still signs', () => {
    const { cohort, ada, eve } = listing();
    const said = cohort.tell(eve, leave(eve));
    expect(typesOf(said)).toEqual(['member_leaving']);
    expect(sentOf(said, 'ack')).toMatchObject([{ to: eve.transport, body: { accepted: 'leave' } }]);
    expect(
      told(said)
        .map(({ to }) => to)
        .sort(),
    ).toEqual(cohort.members.map(({ transport }) => transport).sort());
    expect(told(said)[0]!.body).toMatchObject({ number: 1, leaving: [eve.pk], gone: [], succession: null });
    expect(told(cohort.tell(eve, leave(eve)))).toEqual([]);
    expect(refusal(cohort.tell(ada, leave(eve))).code).toBe('wrong_member');
    expect(cohort.state.seats.has(eve.pk)).toBe(true);
    cohort.expectRestartable();
  });

  test('is gone by the operator’s word only, and back by it; while it is, no round opens', async () => {
    const { cohort, ada, one, eve } = listing();
    const mark = (gone: boolean, participant_pk = eve.pk) => cohort.give({ type: 'mark_member', participant_pk, gone });
    expect(mark(true, drawHex('nobody')).dropped).toMatch(/no member/);
    expect(told(mark(true))[0]!.body).toMatchObject({ gone: [eve.pk], text: expect.stringMatching(/own keys/) });
    expect(told(mark(true))).toEqual([]);
    await takeOut(cohort, ada, one);
    expect(cohort.beacon.round).toBeNull();
    expect(blocker(cohort)).toMatch(/gone/);
    const back = mark(false);
    expect(told(back)[0]!.body).toMatchObject({ number: 2, gone: [] });
    expect(typesOf(back)).toContain('round_opened');
    cohort.expectRestartable();
  });

  test('gone ends the question that is open, and an open session is asked about no more until it is back', async () => {
    const { cohort, ada, one, eve } = listing();
    await takeOut(cohort, ada, one);
    const mark = (gone: boolean) => cohort.give({ type: 'mark_member', participant_pk: eve.pk, gone });
    expect(cohort.beacon.round?.stage.name).toBe('presence');
    expect(typesOf(mark(true))).toEqual(['member_marked', 'round_aborted']);
    expect(cohort.beacon.round).toBeNull();
    mark(false);
    cohort.wait(3_600);
    deliver(cohort, silent(eve, 'aggregated_nonce'));
    cohort.wait(600);
    expect(cohort.beacon.round?.stage.name).toBe('waiting');
    mark(true);
    cohort.mail = [];
    cohort.wait(86_400);
    expect(cohort.mail).toEqual([]);
    mark(false);
    deliver(cohort);
    expect(cohort.beacon.signals).toHaveLength(1);
    cohort.expectRestartable();
  });

  test('and comes back under a new transport key hears the newest status again', () => {
    const { cohort, ada, eve } = listing();
    cohort.tell(eve, leave(eve));
    cohort.give({ type: 'mark_member', participant_pk: ada.pk, gone: true });
    const key = draw('a new transport key');
    const again: Member = { ...ada, transportSecret: key, transport: xOnly(key) };
    const about = { participant_pk: ada.pk, transport_key: again.transport, counter: 1 };
    const sig = schnorr(rebindStatement({ ...about, cohort: cohort.id }), ada.secret);
    const back = cohort.tell(again, { type: 'rebind', body: { ...about, sig } });
    expect(told(back)).toMatchObject([{ to: again.transport, body: { number: 2, leaving: [eve.pk], gone: [ada.pk] } }]);
  });
});

describe('the end of a cohort with a successor', () => {
  test('goes from stage to stage, each said to everybody: forming, updating, moving, deleting, over', async () => {
    const { cohort, ada, bob, one, two } = listing();
    const start = begin(cohort);
    expect(typesOf(start)).toEqual(['succession_begun']);
    expect(told(start)).toHaveLength(3);
    expect(told(start)[0]!.body).toMatchObject({
      number: 1,
      succession: { stage: 'forming', successor: { link: LINK, beacon_address: null } },
      text: expect.stringMatching(/^we move on; /),
    });

    const stood = cohort.give({ type: 'successor_formed', beacon_address: NEW_ADDRESS });
    expect(stagesTold(told(stood))).toEqual(['updating', 'updating', 'updating']);
    expect(told(stood)[0]!.body.succession?.successor?.beacon_address).toBe(NEW_ADDRESS);
    expect(cohort.give({ type: 'successor_formed', beacon_address: NEW_ADDRESS }).dropped).toMatch(/no successor/);

    // One signal, the last, when everybody's update is there: not when one is.
    await takeOut(cohort, ada, one);
    expect(cohort.beacon.round).toBeNull();
    expect(blocker(cohort)).toMatch(/updates of one DID$/);
    await takeOut(cohort, bob, two);
    deliver(cohort);
    expect(cohort.beacon.signals[0]!.frozen.updates).toHaveLength(2);
    const final = cohort.mine(6);
    expect(stagesTold(told(final))).toEqual(['moving', 'moving', 'moving']);

    expect(typesOf(cohort.give({ type: 'start_spend', purpose: 'move', to: NEW_ADDRESS }))).toEqual([
      'spend_requested',
    ]);
    deliver(cohort);
    expect(stagesTold(told(cohort.mine(5)))).toEqual([]);
    expect(stagesTold(told(cohort.mine(1)))).toEqual(['deleting', 'deleting', 'deleting']);

    const [first, second, third] = cohort.members as [Member, Member, Member];
    expect(sentOf(cohort.tell(first, deleted(cohort, first)), 'ack')).toMatchObject([
      { body: { accepted: 'key_deleted' } },
    ]);
    cohort.tell(second, deleted(cohort, second));
    expect(typesOf(cohort.tell(second, deleted(cohort, second)))).toEqual([]);
    const over = cohort.tell(third, deleted(cohort, third));
    expect(stagesTold(told(over))).toEqual(['over', 'over', 'over']);
    cohort.expectRestartable();
  });

  test('does not wait for ever: at the deadline the last signal goes out with what is there, and the stage stays', async () => {
    const { cohort, ada, bob, one, two } = listing();
    begin(cohort, successor(NEW_ADDRESS));
    await takeOut(cohort, ada, one);
    expect(cohort.beacon.round).toBeNull();
    cohort.wait(86_400);
    deliver(cohort);
    cohort.mine(6);
    expect(cohort.beacon.signals).toHaveLength(1);
    expect(cohort.beacon.succession?.stage).toBe('updating');
    await takeOut(cohort, bob, two);
    deliver(cohort);
    cohort.mine(6);
    expect(cohort.beacon.signals).toHaveLength(2);
    expect(cohort.beacon.succession?.stage).toBe('moving');
  });

  test('does not wait for the DIDs of those who leave, nor the operator’s own word', async () => {
    const { cohort, ada, bob, one } = listing();
    begin(cohort, successor(NEW_ADDRESS));
    await takeOut(cohort, ada, one);
    expect(cohort.beacon.round).toBeNull();
    cohort.tell(bob, leave(bob));
    expect(cohort.beacon.round).not.toBeNull();
    deliver(cohort);
    cohort.mine(6);
    expect(cohort.beacon.succession?.stage).toBe('moving');

    const asked = listing();
    begin(asked.cohort, successor(NEW_ADDRESS));
    await takeOut(asked.cohort, asked.ada, asked.one);
    expect(typesOf(asked.cohort.give({ type: 'open_round' }))).toContain('round_opened');
  });

  test('takes no DID more, but those it knows in a newer version', () => {
    const { cohort, eve, bob, two } = listing();
    begin(cohort, successor(NEW_ADDRESS));
    const no = refusal(cohort.tell(eve, registration(cohort, eve, newController('three'))));
    expect(no).toMatchObject({ code: 'wrong_phase', field: 'body.did' });
    // Its singleton took the beacon out meanwhile: nobody waits for it any more.
    cohort.tell(bob, registration(cohort, bob, two));
    checkControl(cohort, two, 3, two.document);
    expect(cohort.beacon.registry.get(two.did)?.known?.version).toBe(3);
  });

  test('with a member that is gone skips what nobody can sign', async () => {
    const { cohort, eve } = listing();
    begin(cohort, successor(NEW_ADDRESS));
    const gone = cohort.give({ type: 'mark_member', participant_pk: eve.pk, gone: true });
    expect(stagesTold(told(gone))).toContain('deleting');
    const [ada, bob] = cohort.members as [Member, Member];
    cohort.tell(ada, deleted(cohort, ada));
    cohort.tell(bob, deleted(cohort, bob));
    expect(cohort.beacon.succession?.stage).toBe('over');
  });

  test('without a successor begins with the updates; a successor can be named later, not once a key is deleted', () => {
    const { cohort, ada } = listing();
    expect(told(begin(cohort, null))[0]!.body.succession).toMatchObject({ stage: 'updating', successor: null });
    expect(told(begin(cohort))[0]!.body).toMatchObject({ number: 2, succession: { stage: 'forming' } });
    expect(begin(cohort, { ...successor(), cohort: cohort.id }).dropped).toMatch(/follow itself/);
    cohort.tell(ada, deleted(cohort, ada));
    expect(begin(cohort).dropped).toMatch(/deleted/);
    const none = startCohort();
    expect(begin(none).dropped).toMatch(/no cohort is formed/);
  });

  test('a deleted key ends rounds, updates and spends, and proofs are served on', async () => {
    const { cohort, ada, bob, one } = listing();
    await takeOut(cohort, ada, one);
    deliver(cohort);
    cohort.mine(6);
    expect(refusal(cohort.tell(ada, deleted(cohort, bob))).code).toBe('wrong_member');
    const elsewhere = { type: 'key_deleted', body: { participant_pk: ada.pk, beacon_address: NEW_ADDRESS } } as const;
    expect(refusal(cohort.tell(ada, elsewhere)).code).toBe('wrong_address');
    cohort.tell(ada, deleted(cohort, ada));
    const two = await updateOf(newController('two'), TAKE_OUT, { document: listing().two.listing, version: 2 });
    expect(refusal(cohort.tell(bob, update(cohort, bob, newController('two').did, two))).code).toBe('wrong_phase');
    expect(cohort.give({ type: 'start_spend', purpose: 'move', to: NEW_ADDRESS }).dropped).toMatch(/deleted/);
    expect(blocker(cohort)).not.toBeNull();
    const asked = cohort.tell(ada, {
      type: 'proof_request',
      body: { beacon_address: cohort.beacon.address, did: one.did },
    });
    expect(sentOf(asked, 'proofs')[0]!.body.signals).toHaveLength(1);
  });

  test('is not reached by a silent member: its round comes again, the stage waits', async () => {
    const { cohort, ada, bob, eve, one, two } = listing();
    begin(cohort, successor(NEW_ADDRESS));
    await takeOut(cohort, ada, one);
    await takeOut(cohort, bob, two);
    deliver(cohort, silent(eve, 'presence'));
    cohort.wait(60);
    expect(cohort.beacon.round).toBeNull();
    expect(cohort.beacon.succession?.stage).toBe('updating');
    cohort.mail = [];
    cohort.wait(3_600);
    deliver(cohort);
    cohort.mine(6);
    expect(cohort.beacon.succession?.stage).toBe('moving');
  });
});
