import { afterEach, describe, expect, test } from 'vitest';
import { announceable } from '../../src/cohort/index.ts';
import { toHex } from '../../src/crypto/index.ts';
import {
  announcementOf,
  applyPatch,
  DEACTIVATE,
  type DidDocument,
  jsonHash64,
  parseDocument,
  type SignedUpdate,
} from '../../src/did/index.ts';
import type { Body, Terms } from '../../src/messages/index.ts';
import {
  type Cohort,
  deliver,
  formed,
  fund,
  type Outcome,
  refusal,
  register,
  registration,
  sentOf,
  sessionOpen,
  signalSent,
  typesOf,
  until,
  update,
} from './driver.ts';
import { addService, type Controller, type Member, newController, updateOf } from './members.ts';

const started: Cohort[] = [];
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});

/** Ada has a DID; nothing triggers a round. */
function start(changes: Partial<Terms> = {}) {
  const cohort = formed({ frequency: { interval: 10 ** 8, min_interval: 0, pending_updates: 100 }, ...changes });
  started.push(cohort);
  const [ada, bob] = cohort.members as [Member, Member];
  const one = register(cohort, ada, 'one');
  return { cohort, ada, bob, one };
}

const patched = (controller: Controller, document: DidDocument, patch = addService('first')): DidDocument =>
  parseDocument(applyPatch(document, patch), controller.did);

function acked(outcome: Outcome): Extract<Body<'ack'>, { accepted: 'did_update' }> {
  const [ack, ...more] = sentOf(outcome, 'ack');
  expect(more).toEqual([]);
  if (ack?.body.accepted !== 'did_update') throw new Error('expected the ack of an update');
  return ack.body;
}

const announcement = (signed: SignedUpdate): string => toHex(announcementOf(signed));

describe('an update', () => {
  test('that is right is checked in full and queued', async () => {
    const { cohort, ada, one } = start();
    const signed = await updateOf(one, addService('first'));
    const outcome = cohort.tell(ada, update(cohort, ada, one.did, signed));
    expect(typesOf(outcome)).toEqual(['update_queued']);
    expect(acked(outcome)).toEqual({
      accepted: 'did_update',
      did: one.did,
      announcement: announcement(signed),
      target_version_id: 2,
      verified: true,
      state: 'queued',
    });
  });

  test('acked again is the same ack', async () => {
    const { cohort, ada, one } = start();
    const signed = await updateOf(one, addService('first'));
    const first = acked(cohort.tell(ada, update(cohort, ada, one.did, signed)));
    const again = cohort.tell(ada, update(cohort, ada, one.did, structuredClone(signed)));
    expect(again.events).toEqual([]);
    expect(acked(again)).toEqual(first);
  });

  // fault 60
  test('of the same version replaces the one before', async () => {
    const { cohort, ada, one } = start();
    const first = await updateOf(one, addService('first'));
    const second = await updateOf(one, addService('second'));
    cohort.tell(ada, update(cohort, ada, one.did, first));
    expect(typesOf(cohort.tell(ada, update(cohort, ada, one.did, second)))).toEqual(['update_queued']);
    expect(announceable(cohort.beacon).map(queued => queued.announcement)).toEqual([announcement(second)]);
  });

  test('of a DID that nobody can read is taken unchecked, and says so', async () => {
    const { cohort, ada } = start({ unproven_dids: true });
    const opaque = newController('opaque');
    const { proof: _, ...body } = registration(cohort, ada, opaque).body as Body<'did_registration'>;
    cohort.tell(ada, { type: 'did_registration', body });
    const signed = await updateOf(opaque, addService('first'));
    expect(acked(cohort.tell(ada, update(cohort, ada, opaque.did, signed)))).toMatchObject({ verified: false });
  });
});

describe('refused', () => {
  // fault 59
  test('for another beacon, member or DID', async () => {
    const { cohort, ada, bob, one } = start();
    const signed = await updateOf(one, addService('first'));
    const message = update(cohort, ada, one.did, signed);
    if (message.type !== 'did_update') throw new Error(message.type);
    const changed = (changes: object) => ({ ...message, body: { ...message.body, ...changes } });
    expect(refusal(cohort.tell(ada, changed({ beacon_address: 'bcrt1pqqqqqqqqqqqqqq' })))).toMatchObject({
      code: 'wrong_address',
    });
    expect(refusal(cohort.tell(ada, changed({ participant_pk: bob.pk })))).toMatchObject({ code: 'wrong_member' });
    expect(refusal(cohort.tell(ada, changed({ did: newController('two').did })))).toMatchObject({
      code: 'did_not_registered',
    });
    expect(refusal(cohort.tell(bob, changed({ participant_pk: bob.pk })))).toMatchObject({ code: 'did_not_yours' });
  });

  test('what would destroy the DID, naming the field', async () => {
    const { cohort, ada, one } = start();
    const good = await updateOf(one, addService('first'));
    const two = newController('two');
    const cases: [object, string][] = [
      [{ ...good, '@context': [...good['@context']].reverse() }, '@context'],
      [{ ...good, sourceHash: jsonHash64({}) }, 'sourceHash'],
      [{ ...good, targetHash: jsonHash64({}) }, 'proof.proofValue'],
      [{ ...good, patch: addService('another') }, 'proof.proofValue'],
      [{ ...good, proof: { ...good.proof, proofValue: `z${'1'.repeat(80)}` } }, 'proof.proofValue'],
      [{ ...good, proof: { ...good.proof, proofPurpose: 'authentication' } }, 'proof.proofPurpose'],
      [{ ...good, proof: { ...good.proof, capability: 'urn:zcap:root:other' } }, 'proof.capability'],
      [{ ...good, proof: { ...good.proof, verificationMethod: two.method } }, 'proof.verificationMethod'],
      [{ ...good, extra: 1 }, ''],
      [{}, '@context'],
      [{ ...good, targetVersionId: 1 }, 'targetVersionId'],
      [{ ...good, targetVersionId: 2.5 }, 'targetVersionId'],
    ];
    for (const [bad, field] of cases) {
      const { code, field: named } = refusal(cohort.tell(ada, update(cohort, ada, one.did, bad)));
      expect([code, named?.startsWith(`body.invocation${field ? `.${field}` : ''}`)]).toEqual(['update_invalid', true]);
    }
    const theirs = await updateOf(two, addService('first'));
    expect(refusal(cohort.tell(ada, update(cohort, ada, one.did, theirs)))).toMatchObject({ code: 'update_invalid' });
  });

  test('in words that can be sent, whatever the update says', async () => {
    const { cohort, ada, one } = start();
    const good = await updateOf(one, addService('first'));
    const hostile = [
      { ...good, patch: [{ op: 'test', path: `/\u0007${'x'.repeat(5000)}`, value: 1 }] },
      { ...good, [`\u001b${'y'.repeat(5000)}`]: 1 },
      { ...good, patch: [{ op: 'add', path: '/__proto__/polluted', value: 1 }] },
      { ...good, patch: Array(2000).fill({ op: 'copy', from: '/service', path: '/service/-' }) },
    ];
    for (const bad of hostile)
      expect(refusal(cohort.tell(ada, update(cohort, ada, one.did, bad))).code).toBe('update_invalid');
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  test('too large', async () => {
    const { cohort, ada, one } = start();
    const good = await updateOf(one, addService('first'));
    expect(
      refusal(cohort.tell(ada, update(cohort, ada, one.did, { ...good, pad: 'x'.repeat(262_144) }))),
    ).toMatchObject({
      code: 'update_too_large',
    });
  });

  test('a version that is past, or too far ahead', async () => {
    const { cohort, ada, one } = start();
    const ahead = await updateOf(one, addService('first'), { version: 2 });
    expect(refusal(cohort.tell(ada, update(cohort, ada, one.did, ahead)))).toMatchObject({
      code: 'version_gap',
      field: 'body.invocation.targetVersionId',
    });
    const first = await updateOf(one, addService('first'));
    cohort.tell(ada, update(cohort, ada, one.did, first));
    const next = await updateOf(one, addService('second'), { document: patched(one, one.document), version: 2 });
    const early = refusal(cohort.tell(ada, update(cohort, ada, one.did, next)));
    expect(early).toMatchObject({ code: 'version_gap' });
    expect(early.text).toContain('may still be replaced');
  });
});

// fault 60
describe('once frozen', () => {
  const second = addService('second');

  test('another of its version is refused, the same bytes are acked, and the next waits', async () => {
    const { cohort, ada, controller, signed } = await sessionOpen();
    started.push(cohort);
    const rival = await updateOf(controller, addService('rival'));
    expect(refusal(cohort.tell(ada, update(cohort, ada, controller.did, rival)))).toMatchObject({
      code: 'version_taken',
    });
    expect(acked(cohort.tell(ada, update(cohort, ada, controller.did, signed)))).toMatchObject({ state: 'frozen' });
    const next = await updateOf(controller, second, { document: patched(controller, controller.document), version: 2 });
    expect(acked(cohort.tell(ada, update(cohort, ada, controller.did, next)))).toMatchObject({
      state: 'waiting',
      verified: true,
    });
    expect(announceable(cohort.beacon)).toEqual([]);

    deliver(cohort);
    expect(acked(cohort.tell(ada, update(cohort, ada, controller.did, signed)))).toMatchObject({ state: 'announced' });
    cohort.mine(5);
    expect(announceable(cohort.beacon)).toEqual([]);
    cohort.mine(1);
    expect(cohort.beacon.round?.number).toBe(2);
    deliver(cohort);
    expect(cohort.beacon.signals[1]?.frozen.updates).toEqual([
      { did: controller.did, announcement: announcement(next), version: 3 },
    ]);
    cohort.mine(6);
    expect(cohort.beacon.registry.get(controller.did)?.known).toEqual({
      document: patched(controller, patched(controller, controller.document), second),
      version: 3,
    });
  });

  test('the next must be made for what the frozen one makes of the DID', async () => {
    const { cohort, ada, controller } = await sessionOpen();
    const wrong = await updateOf(controller, second, { document: controller.document, version: 2 });
    expect(refusal(cohort.tell(ada, update(cohort, ada, controller.did, wrong)))).toMatchObject({
      code: 'version_gap',
      field: 'body.invocation.sourceHash',
    });
    const document = patched(controller, controller.document);
    const far = await updateOf(controller, second, { document, version: 3 });
    expect(refusal(cohort.tell(ada, update(cohort, ada, controller.did, far)))).toMatchObject({ code: 'version_gap' });
  });

  test('the next is checked in full before it waits, and so is what replaces it', async () => {
    const { cohort, ada, controller } = await sessionOpen();
    const document = patched(controller, controller.document);
    const next = await updateOf(controller, second, { document, version: 2 });
    const forged = { ...next, proof: { ...next.proof, proofValue: `z${'1'.repeat(64)}` } };
    expect(refusal(cohort.tell(ada, update(cohort, ada, controller.did, forged)))).toMatchObject({
      code: 'update_invalid',
    });
    cohort.tell(ada, update(cohort, ada, controller.did, next));
    expect(refusal(cohort.tell(ada, update(cohort, ada, controller.did, forged)))).toMatchObject({
      code: 'update_invalid',
    });
    const elsewhere = await updateOf(controller, second, { document: controller.document, version: 2 });
    expect(refusal(cohort.tell(ada, update(cohort, ada, controller.did, elsewhere)))).toMatchObject({
      code: 'version_gap',
    });
    const better = await updateOf(controller, addService('better'), { document, version: 2 });
    expect(typesOf(cohort.tell(ada, update(cohort, ada, controller.did, better)))).toEqual(['update_queued']);
  });

  test('the next of an unverified one still has to fit behind it', async () => {
    const { cohort, ada } = start({
      unproven_dids: true,
      frequency: { interval: 10 ** 8, min_interval: 0, pending_updates: 1 },
    });
    const opaque = newController('opaque');
    const { proof: _, ...body } = registration(cohort, ada, opaque).body as Body<'did_registration'>;
    cohort.tell(ada, { type: 'did_registration', body });
    fund(cohort);
    cohort.tell(ada, update(cohort, ada, opaque.did, await updateOf(opaque, addService('first'))));
    deliver(cohort, until('aggregated_nonce'));
    const document = patched(opaque, opaque.document);
    const next = await updateOf(opaque, second, { document, version: 2 });
    expect(acked(cohort.tell(ada, update(cohort, ada, opaque.did, next)))).toMatchObject({ state: 'waiting' });
    const wrong = await updateOf(opaque, addService('wrong'), { document: opaque.document, version: 2 });
    expect(refusal(cohort.tell(ada, update(cohort, ada, opaque.did, wrong)))).toMatchObject({ code: 'version_gap' });
  });

  test('after an abort it can be replaced, and what waited behind it goes with it', async () => {
    const { cohort, ada, controller, signed } = await sessionOpenNot();
    const document = patched(controller, controller.document);
    const next = await updateOf(controller, second, { document, version: 2 });
    cohort.tell(ada, update(cohort, ada, controller.did, next));
    cohort.wait(600);
    expect(cohort.beacon.round).toBeNull();
    expect(acked(cohort.tell(ada, update(cohort, ada, controller.did, signed)))).toMatchObject({ state: 'queued' });
    expect(acked(cohort.tell(ada, update(cohort, ada, controller.did, next)))).toMatchObject({ state: 'waiting' });

    const rival = await updateOf(controller, addService('rival'));
    cohort.tell(ada, update(cohort, ada, controller.did, rival));
    expect(cohort.beacon.updates.get(controller.did)?.map(queued => queued.announcement)).toEqual([
      announcement(rival),
    ]);
  });

  /** The updates are frozen and one member keeps its nonces to itself. */
  async function sessionOpenNot() {
    const made = start({ frequency: { interval: 10 ** 8, min_interval: 0, pending_updates: 1 } });
    fund(made.cohort);
    const signed = await updateOf(made.one, addService('first'));
    made.cohort.tell(made.ada, update(made.cohort, made.ada, made.one.did, signed));
    deliver(made.cohort, (member, sent) =>
      member === made.bob && sent.message.type === 'authorize_beacon_signal_request' ? 'ignore' : 'answer',
    );
    expect(made.cohort.beacon.round?.stage.name).toBe('nonces');
    return { ...made, controller: made.one, signed };
  }
});

describe('deactivation', () => {
  test('lets nothing wait behind it, and nothing follow', async () => {
    const { cohort, ada } = start({ frequency: { interval: 10 ** 8, min_interval: 0, pending_updates: 1 } });
    fund(cohort);
    const two = register(cohort, ada, 'two');
    const last = await updateOf(two, DEACTIVATE);
    cohort.tell(ada, update(cohort, ada, two.did, last));
    deliver(cohort, until('aggregated_nonce'));
    const document = patched(two, two.document, DEACTIVATE);
    const next = await updateOf(two, addService('afterlife'), { document, version: 2 });
    expect(refusal(cohort.tell(ada, update(cohort, ada, two.did, next)))).toMatchObject({ code: 'update_invalid' });
    deliver(cohort);
    cohort.mine(6);
    expect(cohort.beacon.registry.get(two.did)?.deactivated).toBe(true);
    expect(refusal(cohort.tell(ada, update(cohort, ada, two.did, next)))).toMatchObject({ code: 'deactivated' });
    expect(acked(cohort.tell(ada, update(cohort, ada, two.did, last)))).toMatchObject({ state: 'announced' });
  });
});

test('updates of many DIDs go into one signal, one version each', async () => {
  const { cohort, ada, one, bob } = start({ frequency: { interval: 10 ** 8, min_interval: 0, pending_updates: 3 } });
  fund(cohort);
  const others: [Member, Controller][] = [
    [ada, one],
    [ada, register(cohort, ada, 'two')],
    [bob, register(cohort, bob, 'three')],
  ];
  const idle = register(cohort, bob, 'idle');
  for (const [member, controller] of others)
    cohort.tell(member, update(cohort, member, controller.did, await updateOf(controller, addService('x'))));
  deliver(cohort);
  const [signal] = cohort.beacon.signals;
  expect(signal?.frozen.updates.map(({ did }) => did)).toEqual(others.map(([, { did }]) => did));
  expect(signal?.frozen.leaf_count).toBe(4);
  cohort.mine(6);
  for (const [, { did }] of others) expect(cohort.beacon.registry.get(did)?.known?.version).toBe(2);
  expect(cohort.beacon.registry.get(idle.did)?.known?.version).toBe(1);
});

test('a final version is not taken again', async () => {
  const { cohort, ada, controller, signed } = await signalSent();
  cohort.mine(6);
  const rival = await updateOf(controller, addService('rival'));
  expect(refusal(cohort.tell(ada, update(cohort, ada, controller.did, rival)))).toMatchObject({
    code: 'version_taken',
  });
  expect(acked(cohort.tell(ada, update(cohort, ada, controller.did, signed)))).toMatchObject({ state: 'announced' });
  expect(cohort.beacon.ready.size).toBe(0);
});
