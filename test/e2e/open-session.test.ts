import { join } from 'node:path';
import { Transaction } from 'bitcoinjs-lib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildSignal, finalizeSignal, readSignalPsbt, signalSighash } from '../../src/bitcoin/index.ts';
import { type Bytes, fromHex, toHex } from '../../src/crypto/index.ts';
import type { Daemon } from '../../src/daemon.ts';
import { type Body, type EnvelopeDraft, sessionId, signEnvelope } from '../../src/messages/index.ts';
import { wrapMessage } from '../../src/nostr/index.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { random, startAggregator, startWallet, until } from './harness.ts';
import { addService, rawGenesisDid, rawUpdate } from './raw-did.ts';
import { advertise, formCohort, joinNonce, musig, publicKeyOf, type RawMember, stolenKeys } from './raw-member.ts';
import { type Stage, stage } from './stage.ts';

let aggregator: Daemon;
let world: Stage['world'];
const at = stage();

const latency = { cohort_set: 20, presence: 2, nonce: 5, signature: 2 };
const start = () => startAggregator(world, { cohort_size: { min: 2, max: 2 }, latency });

beforeAll(async () => {
  world = at.world;
  aggregator = await start();
}, 180_000);
afterAll(async () => {
  await aggregator?.stop();
});

const show = (cohort: string) => aggregator.api.cohortShow({ cohort });
const round = (cohort: string, number: number) => aggregator.api.roundShow({ cohort, round: number });

const advertised = () => advertise(aggregator, at.relay);

async function funded(address: string): Promise<void> {
  await at.node.fund(address, 100_000);
  await at.node.mine(6);
}

/** Two raw members with one DID and one queued update; `bob` keeps his partial signatures to himself. */
async function atSignatures() {
  const { cohort, member } = await advertised();
  const [ada, bob] = [member(), member()];
  const ready = await formCohort([ada, bob]);
  const raw = rawGenesisDid(ready.beacon_address);
  expect((await ada.ask(ada.register(raw))).type).toBe('ack');
  bob.habits.sign = false;
  await funded(ready.beacon_address);
  const made = await rawUpdate(raw, addService('one'));
  expect((await ada.ask(ada.update(raw, made.update))).type).toBe('ack');
  const { body: aggregated } = await bob.next('aggregated_nonce');
  const { body: request } = await bob.next('authorize_beacon_signal_request');
  return { cohort, ada, bob, ready, raw, made, aggregated, request };
}

/** Every member's secret, used outside of any protocol: signs a message for the beacon's key path. */
function signByAll(participants: readonly string[], secrets: readonly Bytes[], message: Bytes): Bytes {
  const keySet = musig.keySet(participants.map(key => fromHex(key, 33)));
  const nonces = secrets.map(secretKey => {
    const publicKey = fromHex(publicKeyOf(secretKey), 33);
    return {
      publicKey,
      secretKey,
      nonce: musig.newNonce({ secretKey, publicKey, keySet, message, random32: random(32) }),
    };
  });
  const aggNonce = musig.nonceAgg(nonces.map(({ nonce }) => nonce.publicNonce));
  const session = musig.session({ keySet, aggNonce, message });
  const partials = new Map(
    nonces.map(({ publicKey, secretKey, nonce }) => [toHex(publicKey), nonce.sign(session, secretKey)]),
  );
  return session.aggregate(participants.map(key => partials.get(key)!));
}

/** A spend of the beacon's output back to the beacon, without signal bytes. */
function selfSpend(request: Body<'authorize_beacon_signal_request'>, fee: number): Transaction {
  const { prevout, prevoutScriptHex } = readSignalPsbt(request.pending_beacon_signal[0]!);
  const tx = new Transaction();
  tx.version = 2;
  tx.addInput(fromHex(prevout.txid, 32).toReversed(), prevout.vout, 0xfffffffd);
  tx.addOutput(fromHex(prevoutScriptHex), BigInt(prevout.value_sats - fee));
  return tx;
}

test('the retry signs the same, and a late signature of the first attempt completes it', async () => {
  const { cohort, ada, bob, aggregated, request } = await atSignatures();
  const late = bob.partials(aggregated).map(toHex);
  for (const member of [ada, bob]) {
    const { body } = await member.next('round_aborted');
    expect(body).toMatchObject({
      session_id: request.session_id,
      reason: 'not_heard',
      open: true,
      blame: [],
      not_heard: [bob.pk],
      evidence: [],
    });
  }
  const { body: retry } = await ada.next(
    'authorize_beacon_signal_request',
    ({ body }) => body.session_id !== request.session_id,
  );
  expect(retry).toMatchObject({
    round: 1,
    attempt: 2,
    signal_bytes: request.signal_bytes,
    evidence: request.evidence ?? {},
  });
  const [before, after] = [request, retry].map(({ pending_beacon_signal }) =>
    readSignalPsbt(pending_beacon_signal[0]!),
  );
  expect(after!.prevout).toEqual(before!.prevout);
  expect(await round(cohort, 1)).toMatchObject({ attempt: 2, updates: 1, signal_bytes: request.signal_bytes });

  await bob.send(bob.authorization(aggregated, late));
  const { body: status } = await ada.next('signal_status');
  expect(status).toMatchObject({ session_id: request.session_id, status: 'broadcast', txid: before!.txid });
  await at.node.mine(6);
  await until('final', async () => (await show(cohort)).rounds[0]?.status?.startsWith('final'));
  expect(await round(cohort, 1)).toMatchObject({
    stage: 'closed',
    session_id: request.session_id,
    txid: before!.txid,
    signal_bytes: request.signal_bytes,
  });
  expect((await show(cohort)).alarms).toEqual([]);
});

// fault 35b
test('the transaction of an old attempt, completed and published by members behind our back, is the success it is', async () => {
  const { cohort, ada, bob, aggregated, request } = await atSignatures();
  await ada.next('round_aborted');
  const { unsignedHex, prevout, prevoutScriptHex, txid } = readSignalPsbt(request.pending_beacon_signal[0]!);
  const message = signalSighash(unsignedHex, prevoutScriptHex, prevout.value_sats);
  const session = musig.session({ keySet: bob.keySet(), aggNonce: joinNonce(aggregated.agg_nonce[0]!), message });
  const hers = ada.signatures.get(request.session_id)!;
  const his = bob.partials(aggregated).map(toHex);
  const byKey = new Map([
    [ada.pk, hers[0]!],
    [bob.pk, his[0]!],
  ]);
  const signature = session.aggregate(bob.ready().participant_pubkeys.map(key => fromHex(byKey.get(key)!, 32)));
  const { hex } = finalizeSignal(unsignedHex, signature);
  bob.habits.presence = false;
  expect(await at.node.rpc('sendrawtransaction', [hex])).toBe(txid);
  await at.node.mine(1);
  expect((await ada.next('signal_status')).body).toMatchObject({ session_id: request.session_id, txid });
  await at.node.mine(5);
  await until('final', async () => (await show(cohort)).rounds[0]?.status?.startsWith('final'));
  expect(await show(cohort)).toMatchObject({ signals: 1, alarms: [], pending_updates: 0 });
  expect(await round(cohort, 1)).toMatchObject({ stage: 'closed', session_id: request.session_id, txid });
});

// fault 55
test('every reason reaches every member: veto, silence before and after, with not_heard and without blame', async () => {
  const { cohort, member } = await advertised();
  const [ada, bob] = [member(), member()];
  const ready = await formCohort([ada, bob]);
  const raw = rawGenesisDid(ready.beacon_address);
  expect((await ada.ask(ada.register(raw))).type).toBe('ack');
  await funded(ready.beacon_address);
  const aborted = async (reason: string, expected: object) => {
    for (const each of [ada, bob])
      expect((await each.next('round_aborted', ({ body }) => body.reason === reason)).body).toMatchObject(expected);
  };

  // Silent when asked who is there: nothing was frozen.
  bob.habits.presence = false;
  const made = await rawUpdate(raw, addService('one'));
  await ada.ask(ada.update(raw, made.update));
  await aborted('not_heard', { session_id: null, round: 1, open: false, blame: [], not_heard: [bob.pk] });
  // While nothing is frozen, another update of the version may replace it.
  const better = await rawUpdate(raw, addService('better'));
  expect((await ada.ask(ada.update(raw, better.update))).body).toMatchObject({ state: 'queued' });

  Object.assign(bob.habits, { presence: true, nonces: false });
  const { body: request } = await bob.next('authorize_beacon_signal_request');
  const taken = await rawUpdate(raw, addService('late'));
  expect(await ada.refused(ada.update(raw, taken.update))).toMatchObject({ code: 'version_taken' });
  await bob.send({ type: 'veto', body: { session_id: request.session_id, code: 'taste', text: 'it is too green' } });
  await aborted('veto', {
    session_id: request.session_id,
    text: expect.stringMatching(/taste: it is too green/),
    open: false,
    blame: [],
    not_heard: [],
  });
  expect(await show(cohort)).toMatchObject({ pending_updates: 1, signals: 0 });
});

test('wallets refuse another outpoint or other bytes while a session is open', { timeout: 30_000 }, async () => {
  const { wallet, cohort, bob, did } = await withWallet('alexis');
  bob.habits.sign = false;
  const patch = addService('one');
  const asked = wallet.update({ did, patch });
  const { body: request } = await bob.next('authorize_beacon_signal_request');
  await bob.next('round_aborted', ({ body }) => body.open);
  await asked;
  const before = wallet.status().dids[0]!.updates;
  expect(before).toMatchObject([{ version: 2, state: 'locked' }]);
  // The aggregator turns rogue: it asks for a spend of another deposit, and for other bytes.
  const { transport_key } = bob.advert.terms;
  await aggregator.stop();
  const secret =
    stolenKeys(join(at.dir, 'aggregator')).get(`02${transport_key}`)?.secret ??
    stolenKeys(join(at.dir, 'aggregator')).get(`03${transport_key}`)!.secret;
  const { beacon_address, participant_pubkeys } = bob.ready();
  const { prevoutScriptHex, prevout } = readSignalPsbt(request.pending_beacon_signal[0]!);
  const second = await at.node.fund(beacon_address, 70_000);
  await at.node.mine(6);
  const [membership] = [...stolenTransports(join(at.dir, 'alexis'))];
  const rogue = async (spent: typeof prevout, signal_bytes: string) => {
    const built = buildSignal({
      prevout: spent,
      scriptHex: prevoutScriptHex,
      signalBytes: fromHex(signal_bytes, 32),
      feeSats: 300,
    });
    const session_id = toHex(
      sessionId({
        cohort,
        round: 1,
        attempt: 9,
        outpoint: `${spent.txid}:${spent.vout}`,
        transactions: [built.txid],
        participant_pubkeys,
        signal_bytes,
      }),
    );
    const body: Body<'authorize_beacon_signal_request'> = {
      ...request,
      session_id,
      attempt: 9,
      signal_bytes,
      pending_beacon_signal: [built.psbt],
    };
    const draft: EnvelopeDraft = {
      type: 'authorize_beacon_signal_request',
      body,
      from: transport_key,
      to: membership!,
      cohort,
      session: session_id,
      seq: 1_000_000,
      created_at: Math.floor(Date.now() / 1000),
    };
    const [event] = wrapMessage({
      plaintext: JSON.stringify(signEnvelope(draft, secret, random(32))),
      from: secret,
      to: membership!,
      contextId: session_id,
      createdAt: draft.created_at,
      expiration: draft.created_at + 3600,
      random,
    });
    const vetoed = new Promise<object>(resolve => {
      const stop = wallet.onEvent(seen => {
        if (seen.type !== 'session_vetoed' || seen.session_id !== session_id) return;
        stop();
        resolve(seen);
      });
    });
    await bob.publish([event!]);
    return vetoed;
  };
  expect(await rogue({ txid: second.txid, vout: second.vout, value_sats: 70_000 }, request.signal_bytes)).toMatchObject(
    {
      code: 'open_session',
    },
  );
  expect(await rogue(prevout, 'cd'.repeat(32))).toMatchObject({ code: 'open_session' });
  expect(wallet.status().cohorts[0]!.open_sessions).toMatchObject([{ session_id: request.session_id }]);

  aggregator = await start();
  bob.habits.sign = true;
  await until('the signal', async () => (await show(cohort)).rounds[0]?.txid && (await show(cohort)).signals === 1);
  await at.node.mine(6);
  await until('final', () => wallet.status().dids[0]!.updates[0]!.state === 'final');
  expect(wallet.status().dids[0]!.updates.map(({ announcement }) => announcement)).toEqual(
    before.map(({ announcement }) => announcement),
  );
  await wallet.stop();
});

test('an n-of-n spend without a signal, six deep, closes the session: the update comes back byte for byte', {
  timeout: 30_000,
}, async () => {
  const { wallet, cohort, bob, did } = await withWallet('hal');
  bob.habits.sign = false;
  const asked = wallet.update({ did, patch: addService('one') });
  const { body: request } = await bob.next('authorize_beacon_signal_request');
  await bob.next('round_aborted', ({ body }) => body.open);
  const { announcement } = await asked;
  bob.habits.presence = false;

  const tx = selfSpend(request, 400);
  const { prevoutScriptHex, prevout } = readSignalPsbt(request.pending_beacon_signal[0]!);
  const { participant_pubkeys } = bob.ready();
  const keys = stolenKeys(join(at.dir, 'hal'));
  const secrets = participant_pubkeys.map(key => (key === bob.pk ? bob.cohortSecret : keys.get(key)!.secret));
  const unsigned = tx.toHex();
  const { hex } = finalizeSignal(
    unsigned,
    signByAll(participant_pubkeys, secrets, signalSighash(unsigned, prevoutScriptHex, prevout.value_sats)),
  );
  const txid = await at.node.rpc('sendrawtransaction', [hex]);
  await at.node.mine(5);
  await until('the alarm', async () => (await show(cohort)).alarms.some(text => text.includes(String(txid))));
  expect(wallet.status().dids[0]!.updates).toMatchObject([{ announcement, state: 'locked' }]);
  await at.node.mine(1);
  const { body: closed } = await bob.next('round_aborted', ({ body }) => body.reason === 'outpoint_spent');
  expect(closed).toMatchObject({ session_id: request.session_id, round: 1, open: false, blame: [], not_heard: [] });
  await until('returned', () => wallet.status().dids[0]!.updates[0]!.state === 'returned');
  expect((await show(cohort)).signals).toBe(0);

  Object.assign(bob.habits, { presence: true, sign: true });
  await until('the next round', async () => (await show(cohort)).signals === 1);
  const detail = await round(cohort, (await show(cohort)).rounds[0]!.round);
  expect(detail.announcements).toMatchObject([{ did, version: 2, announcement }]);
  expect(detail.outpoint).toMatchObject({ txid, value_sats: prevout.value_sats - 400 });
  await at.node.mine(6);
  await until('version 2', async () => {
    const resolved = await wallet.resolve({ did });
    return resolved.versionId === '2';
  });
  await until('final', () => wallet.status().dids[0]!.updates[0]!.state === 'final');
  expect(wallet.status().dids[0]!.updates).toMatchObject([{ announcement }]);
  await wallet.stop();
});

/** A cohort of one real wallet, with a DID that lists the beacon, and one raw member. */
async function withWallet(name: string): Promise<{ wallet: Wallet; cohort: string; bob: RawMember; did: string }> {
  const { cohort, advert, member } = await advertised();
  const bob = member();
  const wallet = await startWallet(world, name);
  await wallet.join({ advert });
  await formCohort([bob]);
  await wallet.ready(cohort);
  const { did } = await wallet.createDid({ kind: 'x', cohort });
  await wallet.register({ did, cohort });
  await funded(bob.ready().beacon_address);
  return { wallet, cohort, bob, did };
}

/** x-only transport keys of a wallet. */
const stolenTransports = (home: string): string[] =>
  [...stolenKeys(home)].filter(([, { kind }]) => kind === 'transport').map(([key]) => key.slice(2));
