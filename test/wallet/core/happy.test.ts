import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/crypto/index.ts';
import { announcementOf } from '../../../src/did/index.ts';
import { holdsEvidence } from '../../../src/wallet/core.ts';
import { cohortViews } from '../../../src/wallet/views.ts';
import { deliver, drafted, mine, only, ready, register, registerListed, resolveBy, wait } from './driver.ts';
import { updateState } from './wallet.ts';

describe.each(['SMTBeacon', 'CASBeacon'] as const)('%s: given a cohort that stands', type => {
  test('an update goes from the wallet to six confirmations, and resolves from what the wallet kept', async () => {
    const scene = ready({ type });
    const [ada, bob] = scene.wallets;
    const one = registerListed(scene, ada!, 'one');
    const { update, document } = await drafted(one, 'first');
    ada!.submit(one, update, document, [scene.cohort]);
    expect(updateState(ada!, one.did)).toEqual(['signed']);

    deliver(scene, only('aggregated_nonce'));
    expect(updateState(ada!, one.did)).toEqual(['acked']);
    const [session] = ada!.beacon(scene.cohort).sessions.values();
    expect(session!.updates).toEqual([{ did: one.did, version: 2, announcement: toHex(announcementOf(update)) }]);
    expect(session!.stage.name).toBe('nonce_sent');
    deliver(scene);
    expect(updateState(ada!, one.did)).toEqual(['locked']);

    const seen = () => ada!.beacon(scene.cohort).signals.get(session!.signal_bytes)!;
    ada!.look(scene.cohort);
    expect(seen().seen.status).toBe('broadcast');
    expect(updateState(ada!, one.did)).toEqual(['broadcast']);
    mine(scene);
    expect(seen().seen.status).toBe('confirmed');
    mine(scene, 5);
    expect(seen().seen.status).toBe('final');
    expect(seen().transactions).toHaveLength(1);
    expect(updateState(ada!, one.did)).toEqual(['final']);
    for (const wallet of [ada!, bob!]) {
      const [own] = wallet.beacon(scene.cohort).sessions.values();
      expect(own!.settled).toEqual({ txid: seen().seen.txid, announced: true });
    }

    const resolution = await resolveBy(scene, ada!, one);
    expect(resolution.versionId).toBe('2');
    expect(resolution.document).toEqual(document);
  });

  test('a second round for another wallet; every DID keeps what a resolver will ask for', async () => {
    const scene = ready({ type });
    const [ada, bob] = scene.wallets;
    const one = registerListed(scene, ada!, 'one');
    const two = registerListed(scene, bob!, 'two');
    const first = await drafted(one, 'first');
    ada!.submit(one, first.update, first.document, [scene.cohort]);
    deliver(scene);
    mine(scene, 7);

    const second = await drafted(two, 'second');
    bob!.submit(two, second.update, second.document, [scene.cohort]);
    deliver(scene);
    mine(scene, 7);
    expect(updateState(bob!, two.did)).toEqual(['final']);
    expect(ada!.beacon(scene.cohort).signals.size).toBe(2);

    const next = await drafted(one, 'third', { document: first.document, version: 2 });
    ada!.submit(one, next.update, next.document, [scene.cohort]);
    deliver(scene);
    mine(scene, 7);
    expect((await resolveBy(scene, ada!, one)).versionId).toBe('3');
    expect((await resolveBy(scene, bob!, two)).document).toEqual(second.document);
  });

  // fault 61
  test('a DID that comes after the first signal gets the proofs of that one, and they verify', async () => {
    const scene = ready({ type });
    const [ada, bob] = scene.wallets;
    const one = register(scene, ada!, 'one');
    const first = await drafted(one, 'first');
    ada!.submit(one, first.update, first.document, [scene.cohort]);
    deliver(scene);
    mine(scene, 7);

    const late = registerListed(scene, bob!, 'late');
    const [signal] = bob!.beacon(scene.cohort).signals.keys();
    expect(holdsEvidence(bob!.beacon(scene.cohort), signal!, late.did)).toBe(true);
    const proof = bob!.beacon(scene.cohort).signals.get(signal!)!.proofs.get(late.did);
    expect([proof?.nonce, proof?.updateId]).toEqual([undefined, undefined]);
    const resolution = await resolveBy(scene, bob!, late);
    expect([resolution.versionId, resolution.neededSignals.length]).toEqual(['1', 1]);
  });
});

test('a wallet that signs after the reminder, or after a restart in between, still completes the signal', async () => {
  const scene = ready({}, ['ada', 'bob', 'eve']);
  const [ada, bob] = scene.wallets;
  const one = register(scene, ada!, 'one');
  const { update, document } = await drafted(one, 'first');
  ada!.submit(one, update, document, [scene.cohort]);
  const late = (envelope: { type: string; to: string }) =>
    envelope.type === 'aggregated_nonce' && envelope.to === bob!.membership(scene.cohort).transport;
  deliver(scene, late);
  bob!.restart();
  deliver(scene);
  const stages = () => [...bob!.beacon(scene.cohort).sessions.values()].map(session => session.stage.name);
  expect(stages()).toEqual(['lost']);
  wait(scene, 60);
  expect(stages()).toEqual(['lost', 'signed']);
  // What was called off is shown until nothing of it may appear any more.
  const abort = () => cohortViews(bob!.state, () => true)[0]!.last_abort;
  expect(abort()).toMatchObject({ round: 1 });
  mine(scene, 7);
  expect(abort()).toBeNull();
  expect(updateState(ada!, one.did)).toEqual(['final']);
  for (const wallet of scene.wallets) wallet.restart();
});

test('a round that opens with the sixth block finds wallets that have not looked yet: they look before they check', async () => {
  const scene = ready({ frequency: { interval: 3_600, min_interval: 0, pending_updates: 1 } });
  const [ada] = scene.wallets;
  const one = register(scene, ada!, 'one');
  const first = await drafted(one, 'first');
  ada!.submit(one, first.update, first.document, [scene.cohort]);
  deliver(scene);
  const next = await drafted(one, 'next', { document: first.document, version: 2 });
  ada!.submit(one, next.update, next.document, [scene.cohort]);
  deliver(scene);
  mine(scene, 6);
  expect(updateState(ada!, one.did, 2)).toEqual(['final']);
  expect(updateState(ada!, one.did, 3)).toEqual(['broadcast']);
  for (const wallet of scene.wallets) expect(wallet.sent.filter(sent => sent.type === 'veto')).toEqual([]);
});
