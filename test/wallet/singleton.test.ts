import { expect, test } from 'vitest';
import { curve } from '#curve';
import { addressToScript } from '../../src/bitcoin/index.ts';
import { buildSingletonSignal, signSingletonSignal } from '../../src/bitcoin/singleton.ts';
import { fromHex } from '../../src/crypto/index.ts';
import { singletonAddresses } from '../../src/did/index.ts';
import type { OwnSignal } from '../../src/wallet/core.ts';
import { ownAddresses } from '../../src/wallet/singleton.ts';
import { type Controller, draw, newController } from '../cohort/members.ts';
import { drafted, type Made, newWorld } from './core/driver.ts';
import { hashOf, held, lied, sign, submitted } from './core/given.ts';
import { newWallet, type Outcome, sentOf, updateState, type Wallet, type World } from './core/wallet.ts';

const addressOf = ({ secret }: Controller): string => singletonAddresses(curve.publicKey(secret), 'regtest').p2tr;
const scriptOf = (controller: Controller): string => addressToScript(addressOf(controller), 'regtest');
const pay = ({ chain }: World, controller: Controller, sats = 10_000): void => {
  chain.deposit(scriptOf(controller), sats);
  chain.mine();
};

/** The transaction by which the controller's own beacon would announce this, from what the chain shows. */
function signalOf({ chain }: World, controller: Controller, made: Made): OwnSignal {
  const unsigned = buildSingletonSignal({
    utxos: chain.view(scriptOf(controller)).utxos,
    scriptKind: 'p2tr',
    publicKey: curve.publicKey(controller.secret),
    network: 'regtest',
    announcement: fromHex(hashOf(made)),
    feeRate: 2,
    feeCapSats: 5_000,
  });
  const { hex, txid } = signSingletonSignal(
    unsigned,
    use => use(Uint8Array.from(controller.secret)),
    () => draw('aux'),
  );
  const inputs = unsigned.inputs.map(input => `${input.txid}:${input.vout}`);
  return { address: unsigned.address, txid, hex, inputs, fee_sats: unsigned.feeSats };
}

const announce = (
  wallet: Wallet,
  { did }: Controller,
  { update, document }: Made,
  own_signal: OwnSignal,
  cohorts: string[] = [],
): Outcome => wallet.feed({ type: 'submit_update', did, update, document, cohorts, own_signal });

const look = (wallet: Wallet, controller: Controller): Outcome =>
  wallet.feed({ type: 'look_own', address: addressOf(controller) });

/** A wallet without any cohort, with a DID whose beacon has money. */
async function alone() {
  const world = newWorld();
  const wallet = newWallet(world, 'ada');
  const one = newController('one');
  wallet.addDid(one);
  pay(world, one);
  const made = await drafted(one, 'first');
  return { world, wallet, one, made, signal: signalOf(world, one, made) };
}

test('the update moves with the chain: locked as it is stored, broadcast, final, and back with a reorganization', async () => {
  const { world, wallet, one, made, signal } = await alone();
  const { chain } = world;
  const sent = announce(wallet, one, made, signal);
  expect(sent.effects).toEqual([{ type: 'broadcast', hex: signal.hex }]);
  expect(sent.events).toMatchObject([{ type: 'update_signed', version: 2, cohorts: [], own_signal: signal }]);
  expect(updateState(wallet, one.did)).toEqual(['locked']);
  expect([...ownAddresses(wallet.state)]).toEqual([[signal.address, [signal.txid]]]);
  const now = (): string[] => {
    look(wallet, one);
    // Nothing is told twice.
    expect(look(wallet, one).events).toEqual([]);
    return updateState(wallet, one.did);
  };
  expect(now()).toEqual(['broadcast']);
  chain.mine(5);
  expect(now()).toEqual(['broadcast']);
  wallet.restart();
  chain.mine();
  expect(now()).toEqual(['final']);
  chain.undo(3, 'mempool');
  expect(now()).toEqual(['broadcast']);
  chain.undo(3, 'mempool');
  chain.evict(signal.txid);
  expect(now()).toEqual(['locked']);
  chain.submit(signal.hex);
  chain.mine(6);
  expect(now()).toEqual(['final']);
});

test('money that went elsewhere, six deep: the same bytes may be announced again, and nothing else', async () => {
  const { world, wallet, one, made, signal } = await alone();
  const { chain } = world;
  announce(wallet, one, made, signal);
  chain.evict(signal.txid);
  const [txid, vout] = signal.inputs[0]!.split(':') as [string, string];
  chain.spend({ txid, vout: Number(vout) });
  chain.mine(5);
  look(wallet, one);
  expect(updateState(wallet, one.did)).toEqual(['locked']);
  chain.mine();
  look(wallet, one);
  expect(updateState(wallet, one.did)).toEqual(['returned']);
  expect(wallet.state.dids.get(one.did)!.updates[0]!.own_signals).toMatchObject([{ status: 'gone' }]);

  pay(world, one);
  const rival = await drafted(one, 'rival');
  expect(announce(wallet, one, rival, signalOf(world, one, rival)).refused).toMatch(
    /version 2 has the update .* returned/,
  );
  const again = signalOf(world, one, made);
  expect(again.txid).not.toBe(signal.txid);
  expect(announce(wallet, one, made, again).refused).toBeNull();
  expect(updateState(wallet, one.did)).toEqual(['locked']);
  chain.mine(6);
  look(wallet, one);
  expect(updateState(wallet, one.did)).toEqual(['final']);
});

test('a txid that others changed on the way is the same announcement', async () => {
  const { world, wallet, one, made, signal } = await alone();
  announce(wallet, one, made, signal);
  world.chain.evict(signal.txid);
  const [txid, vout] = signal.inputs[0]!.split(':') as [string, string];
  world.chain.spend({ txid, vout: Number(vout) }, { signal: hashOf(made) });
  world.chain.mine(6);
  look(wallet, one);
  expect(updateState(wallet, one.did)).toEqual(['final']);
});

test('one signal of an address is in flight at a time, of inputs that the wallet sees unspent', async () => {
  const { world, wallet, one, made, signal } = await alone();
  pay(world, one, 20_000);
  announce(wallet, one, made, signal);
  const spare = signalOf(world, one, made);
  expect(spare.inputs).not.toEqual(signal.inputs);
  expect(announce(wallet, one, made, spare).refused).toMatch(/signal in flight/);
  const next = await drafted(one, 'second', { document: made.document, version: 2 });
  expect(announce(wallet, one, next, signalOf(world, one, next)).refused).toMatch(/signal in flight/);
  world.chain.mine(6);
  look(wallet, one);
  const after = signalOf(world, one, next);
  expect(announce(wallet, one, next, { ...after, inputs: signal.inputs }).refused).toMatch(/no unspent output/);
  wallet.eye = () => null;
  expect(announce(wallet, one, next, after).refused).toMatch(/needs a view of the chain/);
  wallet.eye = truth => truth;
  expect(announce(wallet, one, next, after).refused).toBeNull();
  expect(look(wallet, one).events).toMatchObject([{ type: 'update_moved', state: 'broadcast' }]);
});

test('after a partial signature left in a cohort, the own beacon announces the same bytes or nothing', async () => {
  const given = lied();
  const { world, wallet, liar, outpoint } = given;
  const one = held(given, 'one');
  const signed = await submitted(given, one, 'signed for');
  pay(world, one);
  sign(given, liar.request({ updates: { [one.did]: signed.announcement }, leaves: [one.did], outpoint }));
  expect(updateState(wallet, one.did)).toEqual(['locked']);

  const rival = await drafted(one, 'rival');
  const refused = announce(wallet, one, rival, signalOf(world, one, rival));
  expect(refused.refused).toMatch(/is locked/);
  expect(refused.effects).toEqual([]);
  expect(announce(wallet, one, signed, signalOf(world, one, signed)).refused).toBeNull();
  look(wallet, one);
  expect(updateState(wallet, one.did)).toEqual(['broadcast']);
  // The cohort's address shows nothing of it; that is no reason to take it back.
  wallet.look(liar.cohort);
  expect(updateState(wallet, one.did)).toEqual(['broadcast']);
  world.chain.mine(6);
  look(wallet, one);
  wallet.look(liar.cohort);
  expect(updateState(wallet, one.did)).toEqual(['final']);
});

/** The cohort holds one update of version 2; the own beacon announces another. */
async function overtaken() {
  const given = lied();
  const one = held(given, 'one');
  const inCohort = await submitted(given, one, 'in the cohort');
  pay(given.world, one);
  const parts = { updates: { [one.did]: inCohort.announcement }, leaves: [one.did], outpoint: given.outpoint };
  const request = given.liar.request(parts);
  const made = await drafted(one, 'alone');
  const overtake = () => announce(given.wallet, one, made, signalOf(given.world, one, made));
  return { ...given, one, made, request, overtake };
}

test('after the own beacon announced, no cohort gets a nonce for another update of that version', async () => {
  const { wallet, liar, one, request, overtake } = await overtaken();
  expect(overtake().refused).toBeNull();
  expect(updateState(wallet, one.did)).toEqual(['replaced', 'locked']);
  const outcome = liar.ask(request);
  expect(sentOf(outcome, 'nonce')).toEqual([]);
  expect(sentOf(outcome, 'veto')).toHaveLength(1);
});

test('nor a signature, where the nonce had left before', async () => {
  const { wallet, liar, one, request, overtake } = await overtaken();
  const [nonce] = sentOf(liar.ask(request), 'nonce');
  overtake();
  const outcome = liar.say(liar.aggregated(request, nonce!.nonce_points[0]!));
  expect(sentOf(outcome, 'signal_authorization')).toEqual([]);
  expect(sentOf(outcome, 'veto')).toHaveLength(1);
  expect(updateState(wallet, one.did)).toEqual(['replaced', 'locked']);
});

test('the same bytes through a cohort after the own beacon, even when they are final, are signed for once', async () => {
  const given = lied();
  const { world, wallet, liar, outpoint } = given;
  const one = held(given, 'one');
  pay(world, one);
  const made = await drafted(one, 'both');
  const both = announce(wallet, one, made, signalOf(world, one, made), [liar.cohort]);
  expect(sentOf(both, 'did_update')).toMatchObject([{ did: one.did }]);
  world.chain.mine(6);
  look(wallet, one);
  expect(updateState(wallet, one.did)).toEqual(['final']);
  liar.acked(one.did, hashOf(made));
  expect(updateState(wallet, one.did)).toEqual(['final']);
  const parts = { updates: { [one.did]: hashOf(made) }, leaves: [one.did], outpoint };
  const body = liar.request(parts);
  const { authorization } = sign(given, body);
  expect(updateState(wallet, one.did)).toEqual(['final']);
  world.chain.submit(liar.complete(body, authorization));
  world.chain.mine(6);
  wallet.look(liar.cohort);
  world.now += 100_000;
  const thrice = liar.ask(liar.request({ ...parts, outpoint: liar.deposit(), round: 2 }));
  expect(sentOf(thrice, 'nonce')).toEqual([]);
  expect(sentOf(thrice, 'veto')).toMatchObject([{ code: 'wrong_announcement' }]);
});
