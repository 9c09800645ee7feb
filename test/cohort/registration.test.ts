import { afterEach, describe, expect, test } from 'vitest';
import { checkEvidence } from '../../src/beacon/index.ts';
import { signalHistory } from '../../src/cohort/index.ts';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import { applyPatch, type DidDocument, parseDocument } from '../../src/did/index.ts';
import { type Body, registrationStatement, type SignalEvidence, type Terms } from '../../src/messages/index.ts';
import { leafIndex, type SmtProof, verifySmtProof } from '../../src/smt/index.ts';
import {
  type Cohort,
  checkControl,
  deliver,
  formed,
  fund,
  join,
  type Outcome,
  refusal,
  register,
  registration,
  roundOpen,
  sentOf,
  sessionOpen,
  signalSent,
  startCohort,
  typesOf,
  until,
  update,
} from './driver.ts';
import { addService, draw, drawHex, type Member, newController, schnorr, updateOf } from './members.ts';

const started: Cohort[] = [];
const start = (changes: Partial<Terms> = {}) => {
  const cohort = formed(changes);
  started.push(cohort);
  const [ada, bob] = cohort.members as [Member, Member];
  return { cohort, ada, bob };
};
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});

/** A refusal that ends a check: it is an event too, since the check must not run again after a restart. */
function checkRefusal(outcome: Outcome): Body<'rejection'> {
  expect(typesOf(outcome)).toEqual(['registration_refused']);
  const [sent, ...more] = sentOf(outcome, 'rejection');
  expect(more).toEqual([]);
  return sent!.body;
}

const withKey = (document: DidDocument, purposes: Record<string, string[]>): DidDocument => ({
  ...document,
  ...purposes,
});

describe('a DID with proof of control', () => {
  test('is checked first, then registered and acknowledged', () => {
    const { cohort, ada } = start();
    const controller = newController('one');
    const envelope = cohort.envelope(ada, registration(cohort, ada, controller));
    const asked = cohort.give({ type: 'message', envelope, admission: { invites: [], allowlist: [] } });
    expect(typesOf(asked)).toEqual(['registration_received']);
    expect(asked.effects).toEqual([]);
    const outcome = checkControl(cohort, controller);
    expect(typesOf(outcome)).toEqual(['did_registered']);
    expect(sentOf(outcome, 'ack')).toMatchObject([
      {
        to: ada.transport,
        in_reply_to: envelope.id,
        body: {
          accepted: 'did_registration',
          did: controller.did,
          index: toHex(leafIndex(controller.did)),
          proven: true,
          signals: [],
        },
      },
    ]);
    expect(cohort.beacon.checks.size).toBe(0);
  });

  test('is checked once, also when the same envelope comes twice', () => {
    const { cohort, ada } = start();
    const envelope = cohort.envelope(ada, registration(cohort, ada, newController('one')));
    const admission = { invites: [], allowlist: [] };
    cohort.give({ type: 'message', envelope, admission });
    expect(cohort.give({ type: 'message', envelope, admission })).toEqual({ events: [], effects: [], dropped: null });
    expect(cohort.beacon.checks.size).toBe(1);
  });

  test('is answered where the member is by then', () => {
    const { cohort, ada } = start();
    const controller = newController('one');
    cohort.tell(ada, registration(cohort, ada, controller));
    const [check] = cohort.beacon.checks.values();
    expect(check?.did).toBe(controller.did);
    // A check that nobody asked for changes nothing.
    const unknown = cohort.give({ type: 'control_checked', request_id: drawHex('x'), result: { ok: false, text: '' } });
    expect(unknown.dropped).not.toBeNull();
    const outcome = checkControl(cohort, controller);
    expect(sentOf(outcome, 'ack')[0]?.to).toBe(cohort.state.seats.get(ada.pk)?.transport);
  });

  test('may be proven by a key that only capabilityInvocation lists', () => {
    const { cohort, ada } = start();
    const controller = newController('one');
    cohort.tell(ada, registration(cohort, ada, controller));
    const document = withKey(controller.document, { authentication: [] });
    expect(typesOf(checkControl(cohort, controller, 1, document))).toEqual(['did_registered']);
  });

  test('may name its key by a relative URL', () => {
    const { cohort, ada } = start();
    const controller = newController('one');
    cohort.tell(ada, registration(cohort, ada, { ...controller, method: '#initialKey' }));
    expect(typesOf(checkControl(cohort, controller))).toEqual(['did_registered']);
  });
});

describe('refused at once', () => {
  const { cohort, ada, bob } = start();
  const controller = newController('one');
  const refused = (changes: Partial<Body<'did_registration'>>) =>
    refusal(cohort.tell(ada, registration(cohort, ada, controller, changes)));

  test('for another beacon, or in the name of another member', () => {
    expect(refused({ beacon_address: 'bcrt1pqqqqqqqqqqqqqq' })).toMatchObject({ code: 'wrong_address' });
    expect(refused({ participant_pk: bob.pk })).toMatchObject({ code: 'wrong_member' });
  });

  test.each([
    ['another method', 'did:example:one'],
    ['another network', newController('one', 'signet').did],
    ['upper case', newController('one').did.replace('k1', 'K1')],
    ['a wrong checksum', `${newController('one').did.slice(0, -1)}q`],
    ['a name that every object inherits', 'did:btcr2:constructor'],
    ['did:btc1, where control must be proven', 'did:btc1:k1qqpexample'],
  ])('%s', (_, did) => {
    expect(refused({ did })).toMatchObject({ code: 'invalid_did', field: 'body.did' });
  });

  test('without a proof, where the advert asks for one', () => {
    const { proof: _, ...body } = registration(cohort, ada, controller).body as Body<'did_registration'>;
    expect(refusal(cohort.tell(ada, { type: 'did_registration', body }))).toMatchObject({ code: 'control_not_proven' });
  });

  test('before there is a beacon', () => {
    const early = startCohort();
    const one = join(early, 'one');
    const body = {
      ...(registration(cohort, ada, controller).body as Body<'did_registration'>),
      participant_pk: one.pk,
    };
    expect(refusal(early.tell(one, { type: 'did_registration', body }))).toMatchObject({ code: 'wrong_phase' });
  });
});

describe('refused after the check', () => {
  const controller = newController('one');
  const asked = () => {
    const made = start();
    made.cohort.tell(made.ada, registration(made.cohort, made.ada, controller));
    const [check] = made.cohort.beacon.checks.values();
    return { ...made, request_id: check!.request_id };
  };

  test('when the DID does not resolve, with words that can be sent', () => {
    const { cohort, request_id } = asked();
    const text = `\u001b[2J${'x'.repeat(3000)}\ud800`;
    const outcome = cohort.give({ type: 'control_checked', request_id, result: { ok: false, text } });
    expect(checkRefusal(outcome)).toMatchObject({ code: 'document_unknown', field: 'body.sidecar' });
    expect(sentOf(outcome, 'rejection')[0]?.in_reply_to).toBe(request_id);
    expect(cohort.beacon.checks.size).toBe(0);
  });

  test('when the DID is deactivated', () => {
    const { cohort } = asked();
    const document = { ...controller.document, deactivated: true };
    expect(checkRefusal(checkControl(cohort, controller, 2, document))).toMatchObject({ code: 'deactivated' });
  });

  test('when the key controls nothing, or nothing any more', () => {
    const { cohort } = asked();
    const document = withKey(controller.document, { authentication: [], capabilityInvocation: [] });
    expect(checkRefusal(checkControl(cohort, controller, 2, document))).toMatchObject({
      code: 'control_not_proven',
      field: 'body.proof.verification_method',
    });
  });

  test('when the signature is by another key, or over other words', () => {
    const about = (cohort: Cohort, ada: Member) => ({
      did: controller.did,
      network: 'regtest' as const,
      beacon_address: cohort.beacon.address,
      participant_pk: ada.pk,
      challenge: cohort.beacon.challenge,
    });
    const forgeries: ((statement: ReturnType<typeof about>) => [Uint8Array, Uint8Array])[] = [
      statement => [registrationStatement(statement), draw('another key')],
      statement => [registrationStatement({ ...statement, participant_pk: drawHex('bob') }), controller.secret],
      statement => [registrationStatement({ ...statement, challenge: drawHex('an older one') }), controller.secret],
      statement => [registrationStatement({ ...statement, network: 'bitcoin' }), controller.secret],
      statement => [registrationStatement({ ...statement, beacon_address: 'bcrt1p' }), controller.secret],
      statement => [registrationStatement({ ...statement, did: newController('two').did }), controller.secret],
    ];
    for (const forge of forgeries) {
      const { cohort, ada } = start();
      const [message, secret] = forge(about(cohort, ada));
      const proof = { verification_method: controller.method, sig: schnorr(message, secret) };
      cohort.tell(ada, registration(cohort, ada, controller, { proof }));
      expect(checkRefusal(checkControl(cohort, controller))).toMatchObject({
        code: 'control_not_proven',
        field: 'body.proof.sig',
      });
    }
  });

  test('when the named method is unprintable, in words that can be sent', () => {
    const { cohort, ada } = start();
    const proof = { verification_method: '#\ud83d\ude00'.repeat(100), sig: 'ab'.repeat(64) };
    cohort.tell(ada, registration(cohort, ada, controller, { proof }));
    expect(checkRefusal(checkControl(cohort, controller))).toMatchObject({ code: 'control_not_proven' });
  });
});

describe('the limit of DIDs', () => {
  test('counts what is registered', () => {
    const { cohort, ada, bob } = start({ dids: { min: 0, max: 2 } });
    register(cohort, ada, 'one');
    register(cohort, ada, 'two');
    expect(refusal(cohort.tell(ada, registration(cohort, ada, newController('three'))))).toMatchObject({
      code: 'did_limit',
    });
    register(cohort, bob, 'three');
  });

  // fault 57
  test('counts what is being checked: a burst does not pass it', () => {
    const { cohort, ada } = start({ dids: { min: 0, max: 2 } });
    const [one, two, three] = ['one', 'two', 'three'].map(name => newController(name));
    cohort.tell(ada, registration(cohort, ada, one!));
    cohort.tell(ada, registration(cohort, ada, two!));
    expect(refusal(cohort.tell(ada, registration(cohort, ada, three!)))).toMatchObject({ code: 'did_limit' });
    // The same DID again needs no other place.
    expect(typesOf(cohort.tell(ada, registration(cohort, ada, two!)))).toEqual(['registration_received']);
  });

  test('lets a holder register its DIDs again', () => {
    const { cohort, ada } = start({ dids: { min: 0, max: 1 } });
    const one = register(cohort, ada, 'one');
    cohort.tell(ada, registration(cohort, ada, one));
    expect(typesOf(checkControl(cohort, one, 2))).toEqual(['did_registered']);
    expect(cohort.beacon.leaves).toEqual([one.did]);
  });

  test('is free again for who lost a DID', () => {
    const { cohort, ada, bob } = start({ dids: { min: 0, max: 1 } });
    const one = register(cohort, ada, 'one');
    cohort.tell(bob, registration(cohort, bob, one));
    checkControl(cohort, one, 2);
    expect(cohort.beacon.registry.get(one.did)?.member).toBe(bob.pk);
    register(cohort, ada, 'two');
  });
});

// fault 58
describe('one DID, two members', () => {
  const unproven = { unproven_dids: true };
  const without = (cohort: Cohort, member: Member, did: string) => {
    const { proof: _, ...body } = registration(cohort, member, { ...newController('one'), did })
      .body as Body<'did_registration'>;
    return { type: 'did_registration', body } as const;
  };

  test('unproven, the first holds it provisionally, idempotently', () => {
    const { cohort, ada, bob } = start(unproven);
    const { did } = newController('one');
    const first = cohort.tell(ada, without(cohort, ada, did));
    expect(typesOf(first)).toEqual(['did_registered']);
    expect(sentOf(first, 'ack')[0]?.body).toMatchObject({ proven: false });
    const again = cohort.tell(ada, without(cohort, ada, did));
    expect(again.events).toEqual([]);
    expect(sentOf(again, 'ack')).toHaveLength(1);
    expect(refusal(cohort.tell(bob, without(cohort, bob, did)))).toMatchObject({ code: 'did_taken' });
  });

  test('a proven claim displaces it, drops its updates, and both are told', async () => {
    const { cohort, ada, bob } = start({
      ...unproven,
      frequency: { interval: 86_400, min_interval: 0, pending_updates: 9 },
    });
    const controller = newController('one');
    cohort.tell(ada, without(cohort, ada, controller.did));
    const squatted = await updateOf(controller, addService('squatter'));
    expect(typesOf(cohort.tell(ada, update(cohort, ada, controller.did, squatted)))).toEqual(['update_queued']);
    cohort.tell(bob, registration(cohort, bob, controller));
    const outcome = checkControl(cohort, controller);
    expect(sentOf(outcome, 'ack').map(sent => sent.to)).toEqual([bob.transport]);
    expect(sentOf(outcome, 'rejection')).toMatchObject([{ to: ada.transport, body: { code: 'did_taken' } }]);
    expect(cohort.beacon.updates.size).toBe(0);
    expect(cohort.beacon.ready.size).toBe(0);
    expect(cohort.beacon.leaves).toEqual([controller.did]);
    expect(refusal(cohort.tell(ada, update(cohort, ada, controller.did, squatted)))).toMatchObject({
      code: 'did_not_yours',
    });
  });

  test('the last update withdrawn that way before the freeze ends the round', async () => {
    const { cohort, ada, bob } = start(unproven);
    fund(cohort);
    const controller = newController('one');
    cohort.tell(ada, without(cohort, ada, controller.did));
    cohort.tell(ada, update(cohort, ada, controller.did, await updateOf(controller, addService('squatter'))));
    expect(cohort.beacon.round?.stage.name).toBe('presence');
    cohort.tell(bob, registration(cohort, bob, controller));
    checkControl(cohort, controller);
    deliver(cohort);
    expect(cohort.beacon.round).toBeNull();
    const [aborted] = sentOf({ effects: cohort.sent }, 'round_aborted');
    expect(aborted?.body).toMatchObject({ reason: 'cancelled', open: false, blame: [], not_heard: [] });
  });

  test('of two proven claims the higher version wins, and an equal one comes too late', () => {
    const { cohort, ada, bob } = start();
    const controller = register(cohort, ada, 'one');
    for (const version of [1, 2, 3]) {
      cohort.tell(bob, registration(cohort, bob, controller));
      const outcome = checkControl(cohort, controller, version);
      if (version === 1) expect(checkRefusal(outcome)).toMatchObject({ code: 'did_taken' });
      else expect(cohort.beacon.registry.get(controller.did)?.member).toBe(bob.pk);
    }
    cohort.tell(ada, registration(cohort, ada, controller));
    expect(checkRefusal(checkControl(cohort, controller, 3))).toMatchObject({ code: 'did_taken' });
  });

  test('an index that was a leaf never changes hands, not even to the proven owner', async () => {
    const { cohort, ada, controller } = await signalSent(unproven);
    started.push(cohort);
    const bob = cohort.members[1]!;
    cohort.mine(6);
    const other = register(cohort, ada, 'after the signal');
    expect(refusal(cohort.tell(bob, registration(cohort, bob, controller)))).toMatchObject({ code: 'did_taken' });
    cohort.tell(bob, registration(cohort, bob, other));
    expect(typesOf(checkControl(cohort, other, 2))).toEqual(['did_registered']);
  });

  test('neither does a leaf of the open session, and a check that was under way is refused', async () => {
    const { cohort, controller } = await roundOpen(unproven);
    const bob = cohort.members[1]!;
    cohort.tell(bob, registration(cohort, bob, controller));
    deliver(cohort, until('aggregated_nonce'));
    expect(cohort.beacon.round?.stage.name).toBe('signatures');
    expect(checkRefusal(checkControl(cohort, controller, 9))).toMatchObject({ code: 'did_taken' });
    expect(refusal(cohort.tell(bob, registration(cohort, bob, controller)))).toMatchObject({ code: 'did_taken' });
  });
});

describe('opaque identifiers', () => {
  const did = 'did:btc1:k1qqpexample';
  test('are held unproven where the advert takes such, and can never be proven', () => {
    const { cohort, ada } = start({ unproven_dids: true });
    const message = registration(cohort, ada, { ...newController('x'), did });
    expect(refusal(cohort.tell(ada, message))).toMatchObject({ code: 'invalid_did' });
    const { proof: _, ...body } = message.body as Body<'did_registration'>;
    expect(typesOf(cohort.tell(ada, { type: 'did_registration', body }))).toEqual(['did_registered']);
  });
});

describe('registered again', () => {
  test('a newer version replaces the known document; an older one does not take it back', () => {
    const { cohort, ada } = start();
    const controller = register(cohort, ada, 'one');
    const newer = parseDocument(applyPatch(controller.document, addService('new')), controller.did);
    cohort.tell(ada, registration(cohort, ada, controller));
    checkControl(cohort, controller, 2, newer);
    cohort.tell(ada, registration(cohort, ada, controller));
    expect(typesOf(checkControl(cohort, controller, 1))).toEqual(['did_registered']);
    expect(cohort.beacon.registry.get(controller.did)?.known).toEqual({ document: newer, version: 2 });
  });

  test('during a round does not stop the round from closing', async () => {
    const { cohort, ada, controller } = await signalSent();
    started.push(cohort);
    const newer = parseDocument(applyPatch(controller.document, addService('elsewhere')), controller.did);
    cohort.tell(ada, registration(cohort, ada, controller));
    checkControl(cohort, controller, 5, newer);
    cohort.mine(6);
    expect(cohort.beacon.round).toBeNull();
    expect(cohort.beacon.registry.get(controller.did)?.known?.version).toBe(5);
  });

  test('what waits for a version that the DID has passed elsewhere is not announced', async () => {
    const { cohort, ada } = start();
    const controller = register(cohort, ada, 'one');
    const stale = await updateOf(controller, addService('stale'));
    cohort.tell(ada, update(cohort, ada, controller.did, stale));
    expect(cohort.beacon.ready.size).toBe(1);
    cohort.tell(ada, registration(cohort, ada, controller));
    checkControl(cohort, controller, 2);
    expect(cohort.beacon.ready.size).toBe(0);
    fund(cohort);
    expect(cohort.wait(100_000).events).toEqual([]);
  });
});

/** A member's own check of evidence, by the tree alone. */
function verified(signal: SignalEvidence, did: string): SmtProof {
  if (!('proofs' in signal.evidence)) throw new Error('expected proofs');
  const proof = signal.evidence.proofs[did] as SmtProof;
  expect(verifySmtProof(leafIndex(did), proof, 'spec')).toBe(true);
  expect(toHex(Buffer.from(proof.id, 'base64url'))).toBe(signal.signal_bytes);
  return proof;
}

describe('evidence', () => {
  // fault 61
  test('a registration brings proofs of an empty index for every earlier signal and the open one', async () => {
    const { cohort, ada, controller } = await signalSent();
    started.push(cohort);
    cohort.mine(6);
    const second = await updateOf(controller, addService('second'), {
      document: cohort.beacon.registry.get(controller.did)!.known!.document,
      version: 2,
    });
    cohort.tell(ada, update(cohort, ada, controller.did, second));
    deliver(cohort, until('aggregated_nonce'));
    expect(cohort.beacon.round?.stage.name).toBe('signatures');

    const bob = cohort.members[1]!;
    const late = newController('late');
    cohort.tell(bob, registration(cohort, bob, late));
    const ack = sentOf(checkControl(cohort, late), 'ack')[0]!.body;
    if (ack.accepted !== 'did_registration') throw new Error(ack.accepted);
    expect(ack.signals).toHaveLength(2);
    const [earlier, open] = ack.signals as [SignalEvidence, SignalEvidence];
    for (const signal of ack.signals) {
      const proof = verified(signal, late.did);
      expect(proof.nonce).toBeUndefined();
      expect(proof.updateId).toBeUndefined();
    }
    expect(earlier).toMatchObject({ txid: cohort.beacon.signals[0]?.txid, height: cohort.chain.tip - 5 });
    expect(open).toMatchObject({ txid: null, height: null, session_id: cohort.beacon.round?.open[0]?.id });
    expect(open.signal_bytes).toBe(cohort.beacon.round?.frozen?.signal_bytes);

    // A restart builds the trees again: of the leaves that there were, not of those that came since.
    const { phase } = cohort.restarted();
    if (phase.name !== 'formed') throw new Error(phase.name);
    expect(phase.beacon.leaves).toContain(late.did);
    expect(signalHistory(cohort.terms, phase.beacon, late.did)).toEqual(ack.signals);

    deliver(cohort);
    cohort.mine(6);
    expect(cohort.beacon.signals.map(signal => signal.frozen.leaf_count)).toEqual([1, 1]);
  });

  test('of a leaf goes to its holder; of an empty index to any member', async () => {
    const { cohort, ada, controller, signed } = await signalSent();
    cohort.mine(6);
    const bob = cohort.members[1]!;
    const ask = (member: Member, did: string, changes: object = {}) =>
      cohort.tell(member, { type: 'proof_request', body: { beacon_address: cohort.beacon.address, did, ...changes } });
    const [own] = sentOf(ask(ada, controller.did), 'proofs');
    const proof = verified(own!.body.signals[0]!, controller.did);
    expect(proof.nonce).toBeDefined();
    expect(
      checkEvidence('SMTBeacon', {
        signalBytes: fromHex(own!.body.signals[0]!.signal_bytes),
        bitOrder: 'spec',
        evidence: own!.body.signals[0]!.evidence,
        expected: [
          {
            did: controller.did,
            announcement: cohort.beacon.signals[0]!.frozen.updates[0]!.announcement,
            registered: true,
          },
        ],
      }),
    ).toEqual([]);
    expect(signed.targetVersionId).toBe(2);

    expect(refusal(ask(bob, controller.did))).toMatchObject({ code: 'did_not_yours' });
    const draft = newController('a draft').did;
    const [empty] = sentOf(ask(bob, draft), 'proofs');
    expect(verified(empty!.body.signals[0]!, draft).nonce).toBeUndefined();

    const { session_id } = own!.body.signals[0]!;
    expect(sentOf(ask(bob, draft, { session_id }), 'proofs')[0]?.body.signals).toHaveLength(1);
    expect(refusal(ask(bob, draft, { session_id: drawHex('x') }))).toMatchObject({ code: 'not_available' });
    const height = cohort.beacon.signals[0]!.seen as { height: number };
    expect(sentOf(ask(bob, draft, { from_height: height.height }), 'proofs')[0]?.body.signals).toHaveLength(1);
    expect(sentOf(ask(bob, draft, { from_height: height.height + 1 }), 'proofs')[0]?.body.signals).toHaveLength(0);
    expect(refusal(ask(bob, draft, { beacon_address: 'bcrt1pqqqqqqqqqqqqqq' }))).toMatchObject({
      code: 'wrong_address',
    });
  });

  test('the request to sign shows each member its own DIDs, those that are no leaf yet among them', async () => {
    const { cohort, ada, controller } = await roundOpen();
    const idle = register(cohort, ada, 'idle');
    const theirs = register(cohort, cohort.members[1]!, 'theirs');
    deliver(cohort, until('authorize_beacon_signal_request'));
    const requests = sentOf({ effects: cohort.mail }, 'authorize_beacon_signal_request');
    const proofsOf = (to: string) => {
      const { evidence } = requests.find(request => request.to === to)!.body;
      return 'proofs' in evidence ? Object.keys(evidence.proofs) : [];
    };
    expect(proofsOf(ada.transport)).toEqual([controller.did, idle.did]);
    expect(proofsOf(cohort.members[1]!.transport)).toEqual([theirs.did]);
    expect(proofsOf(cohort.members[2]!.transport)).toEqual([]);
    for (const nothing of ['rejection', 'veto'] as const) expect(sentOf({ effects: cohort.sent }, nothing)).toEqual([]);
  });

  test('a CAS beacon hands out its map', async () => {
    const { cohort, controller } = await sessionOpen({ type: 'CASBeacon' });
    started.push(cohort);
    const [request] = sentOf({ effects: cohort.sent }, 'authorize_beacon_signal_request');
    const { evidence, signal_bytes } = request!.body;
    expect('map' in evidence && Object.keys(evidence.map)).toEqual([controller.did]);
    const announcement = cohort.beacon.round!.frozen!.updates[0]!.announcement;
    const about = { signalBytes: fromHex(signal_bytes), bitOrder: 'spec' as const, evidence };
    const expected = [{ did: controller.did, announcement, registered: true }];
    expect(checkEvidence('CASBeacon', { ...about, expected })).toEqual([]);
    deliver(cohort);
    expect(cohort.beacon.signals[0]?.frozen.signal_bytes).toBe(signal_bytes);
  });
});
