import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/crypto/index.ts';
import type { Body, Envelope, Message } from '../../../src/messages/index.ts';
import { concernedDids, holdsEvidence, openSessions } from '../../../src/wallet/core.ts';
import { type Controller, draw, drawHex, newController } from '../../cohort/members.ts';
import { drafted, type Made, newWorld, newXController } from './driver.ts';
import { hashOf } from './given.ts';
import { type Liar, newLiar, type Outpoint } from './liar.ts';
import { newWallet, type Outcome, sentOf, type Wallet, type World } from './wallet.ts';

type RequestBody = Body<'authorize_beacon_signal_request'>;

interface Side {
  liar: Liar;
  outpoints: Outpoint[];
  requests: RequestBody[];
}

/** Numbers that look random and are the same in every run. */
function dice(seed: string) {
  let drawn = 0;
  const roll = (below: number): number => {
    const bytes = draw(`${seed} ${drawn++}`);
    return ((bytes[0]! << 16) + (bytes[1]! << 8) + bytes[2]!) % below;
  };
  return {
    roll,
    pick: <T>(from: readonly T[]): T => from[roll(from.length)]!,
    some: <T>(from: readonly T[]): T[] => from.filter(() => roll(2) === 0),
  };
}

/** What must hold whatever an aggregator says, in whatever order. */
function expectSafe(wallet: Wallet, sides: Side[], outcome: Outcome): void {
  const nonceOf = new Map<string, string>();
  const signedUnder = new Map<string, string>();
  for (const envelope of wallet.sent) {
    if (envelope.type === 'nonce') {
      const { session_id, nonce_points } = envelope.body;
      const nonce = JSON.stringify(nonce_points);
      expect(nonceOf.get(nonce) ?? session_id).toBe(session_id);
      nonceOf.set(nonce, session_id);
    }
    if (envelope.type === 'signal_authorization') {
      const { session_id, ...rest } = envelope.body;
      const signature = JSON.stringify(rest);
      expect(signedUnder.get(session_id) ?? signature).toBe(signature);
      signedUnder.set(session_id, signature);
    }
  }
  const versions = new Map<string, string>();
  for (const { liar } of sides) {
    const beacon = wallet.beacon(liar.cohort);
    const signed = [...beacon.sessions.values()].filter(session => session.stage.name === 'signed');
    for (const { session_id, updates } of signed) {
      expect(signedUnder.has(session_id)).toBe(true);
      for (const { did, version, announcement } of updates) {
        const key = `${did} ${version}`;
        expect(versions.get(key) ?? announcement).toBe(announcement);
        versions.set(key, announcement);
      }
    }
    // Only one thing is open at an address.
    const open = openSessions(beacon).map(({ outpoint, signal_bytes }) => JSON.stringify([outpoint, signal_bytes]));
    expect(new Set(open).size).toBeLessThan(2);
  }
  for (const event of outcome.events) {
    if (event.type !== 'session_signed') continue;
    const beacon = wallet.beacon(event.cohort);
    const session = beacon.sessions.get(event.session_id)!;
    for (const did of concernedDids(wallet.state, beacon))
      expect(holdsEvidence(beacon, session.signal_bytes, did)).toBe(true);
  }
}

type Walk = ReturnType<typeof begin>;

function begin(seed: string) {
  const world: World = newWorld();
  const wallet = newWallet(world, 'ada');
  const sides = ['left', 'right'].map((name): Side => {
    const liar = newLiar(world, wallet, name, { frequency: { interval: 60, min_interval: 0, pending_updates: 1 } });
    liar.form();
    return { liar, outpoints: [liar.deposit(), liar.deposit()], requests: [] };
  });
  const controllers: Controller[] = [newController('one'), newController('two')];
  for (const controller of controllers) wallet.addDid(controller);
  return { ...dice(seed), world, wallet, sides, controllers, said: [] as Envelope[], made: [] as [Controller, Made][] };
}

const none: Outcome = { events: [], effects: [], sent: [], dropped: null, refused: null };

/** One thing that a liar, the user, or the chain may do. */
const steps: ((walk: Walk, side: Side) => Outcome | Promise<Outcome>)[] = [
  function register({ wallet, pick, controllers }, { liar }) {
    return wallet.register(liar.cohort, pick(controllers));
  },
  function acknowledgeRegistration(walk, side) {
    const { liar, requests } = side;
    const { did } = walk.pick(walk.controllers);
    const signals = requests.length > 0 && walk.roll(2) === 0 ? [liar.evidence(partsOf(walk, side), did)] : [];
    return tell(walk, liar, {
      type: 'ack',
      body: { accepted: 'did_registration', did, index: drawHex('index'), proven: true, signals },
    });
  },
  function draft({ wallet, roll, controllers }, { liar }) {
    const controller = newXController(`draft ${roll(2)}`, 'SMTBeacon', liar.address);
    if (!wallet.state.dids.has(controller.did)) controllers.push(controller);
    return wallet.addDid(controller);
  },
  async function submit({ wallet, roll, pick, some, sides, controllers, made }) {
    const controller = pick(controllers);
    const update = await drafted(controller, `label${roll(3)}`);
    made.push([controller, update]);
    return wallet.submit(
      controller,
      update.update,
      update.document,
      some(sides).map(side => side.liar.cohort),
    );
  },
  function answerUpdate(walk, { liar }) {
    const asked = walk.wallet.sent.filter(sent => sent.type === 'did_update');
    if (asked.length === 0 || walk.made.length === 0) return none;
    const in_reply_to = walk.pick(asked).id;
    if (walk.roll(3) === 0)
      return tell(walk, liar, { type: 'rejection', body: { code: 'update_invalid', text: 'no' } }, in_reply_to);
    const [{ did }, update] = walk.pick(walk.made);
    const body = {
      accepted: 'did_update' as const,
      did,
      announcement: hashOf(update),
      target_version_id: 2,
      verified: true,
      state: 'queued' as const,
    };
    return tell(walk, liar, { type: 'ack', body }, in_reply_to);
  },
  ask,
  ask,
  ask,
  aggregate,
  aggregate,
  aggregate,
  aggregate,
  function replay(walk) {
    return walk.said.length > 0 ? walk.wallet.receive(walk.pick(walk.said)) : none;
  },
  function replay(walk) {
    return walk.said.length > 0 ? walk.wallet.receive(walk.pick(walk.said)) : none;
  },
  function abort(walk, { liar, requests }) {
    if (requests.length === 0) return none;
    const { session_id } = walk.pick(requests);
    const told = { round: 1, attempt: 1, reason: 'cancelled' as const, text: 'forget it', open: false };
    return tell(walk, liar, {
      type: 'round_aborted',
      body: { session_id, ...told, blame: [], not_heard: [], evidence: [] },
    });
  },
  function prove(walk, side) {
    const { liar, requests } = side;
    const { did } = walk.pick(walk.controllers);
    const signal = liar.evidence(partsOf(walk, side), did);
    const known = requests.find(request => request.signal_bytes === signal.signal_bytes);
    const signals = [known ? { ...signal, session_id: known.session_id } : signal];
    return tell(walk, liar, { type: 'proofs', body: { beacon_address: liar.address, did, signals } });
  },
  function leave(walk, { liar }) {
    return tell(walk, liar, { type: 'ack', body: { accepted: 'leave' } });
  },
  function restart({ wallet }) {
    wallet.restart();
    return none;
  },
  function busy({ wallet, roll }) {
    wallet.works = roll(3) > 0;
    return wallet.works ? wallet.work() : none;
  },
  function publish({ world, wallet, pick }, { liar, requests }) {
    const authorizations = wallet.sent.flatMap(sent => (sent.type === 'signal_authorization' ? [sent.body] : []));
    const ours = authorizations.filter(body => body.beacon_address === liar.address);
    if (ours.length === 0) return none;
    const body = pick(ours);
    const request = requests.find(each => each.session_id === body.session_id)!;
    const hex = liar.complete(request, body);
    world.chain.submit(hex);
    return none;
  },
  function cancel({ world, pick, roll }, { outpoints }) {
    if (roll(4) === 0) world.chain.spend(pick(outpoints));
    return none;
  },
  function mine({ world, roll }) {
    world.chain.mine(1 + roll(6));
    world.now += 600;
    return none;
  },
  function reorganize({ world, roll }) {
    world.chain.undo(1 + roll(2), 'mempool');
    world.chain.mine(1);
    return none;
  },
  function look({ wallet }, { liar }) {
    return wallet.look(liar.cohort);
  },
];

/** Half of the time as they should be, so that walks get far; else anything. */
function partsOf(walk: Walk, { liar }: Side) {
  const { registrations } = walk.wallet.beacon(liar.cohort);
  const made = walk.some(walk.made.slice(-3));
  const all = walk.controllers.map(({ did }) => did);
  return {
    updates: Object.fromEntries(made.map(([{ did }, update]) => [did, hashOf(update)])),
    leaves: walk.roll(3) > 0 ? all.filter(did => registrations.get(did)?.name === 'held') : walk.some(all),
    seed: drawHex(`tree ${walk.roll(2)}`),
  };
}

function outpointOf(walk: Walk, { liar, outpoints }: Side): Outpoint {
  const [unspent] = walk.world.chain.view(liar.script).utxos;
  return unspent && walk.roll(3) > 0 ? unspent : walk.pick(outpoints);
}

function tell(walk: Walk, liar: Liar, message: Message, in_reply_to?: string): Outcome {
  const envelope = liar.envelope(message, in_reply_to === undefined ? {} : { in_reply_to });
  walk.said.push(envelope);
  return walk.wallet.receive(envelope);
}

function ask(walk: Walk, side: Side): Outcome {
  const { liar, requests } = side;
  const all = walk.controllers.map(({ did }) => did);
  const old = requests.length > 0 && walk.roll(5) === 0 ? walk.pick(requests) : null;
  const body =
    old ??
    liar.request({
      ...partsOf(walk, side),
      shown: walk.roll(8) === 0 ? walk.some(all) : all,
      outpoint: outpointOf(walk, side),
      attempt: walk.roll(50),
      fee: 154 + walk.roll(3),
    });
  if (!old) requests.push(body);
  return tell(walk, liar, { type: 'authorize_beacon_signal_request', body });
}

/** The newest session more often than any other; the same aggregate again, or a second one for a signed session. */
function aggregate(walk: Walk, { liar, requests }: Side): Outcome {
  if (requests.length === 0) return none;
  const body = walk.roll(3) > 0 ? requests.at(-1)! : walk.pick(requests);
  const nonce = walk.wallet.sent.find(sent => sent.type === 'nonce' && sent.body.session_id === body.session_id);
  const signed = walk.wallet.sent.some(
    sent => sent.type === 'signal_authorization' && sent.body.session_id === body.session_id,
  );
  if (nonce?.type !== 'nonce' || (signed && walk.roll(2) === 0)) return none;
  if (!signed) return tell(walk, liar, liar.aggregated(body, nonce.body.nonce_points[0]!));
  const pair: [string, string] = [liar.keys[0]!, liar.keys[1]!];
  return tell(walk, liar, {
    type: 'aggregated_nonce',
    body: { session_id: body.session_id, beacon_address: liar.address, agg_nonce: [pair] },
  });
}

const WALKS = 6;
const STEPS = 70;
let signatures = 0;

test.each(Array.from({ length: WALKS }, (_, i) => `walk ${i}`))(
  'no order of true and false words gets a signature too many, nor an exception: %s',
  async seed => {
    const walk = begin(seed);
    const { wallet, world, sides } = walk;
    for (let i = 0; i < STEPS; i++) {
      const outcome = await walk.pick(steps)(walk, walk.pick(sides));
      expectSafe(wallet, sides, outcome);
    }
    signatures += wallet.sent.filter(sent => sent.type === 'signal_authorization').length;

    // However it came about: once the chain has settled what is open, the wallet signs again.
    wallet.works = true;
    wallet.work();
    for (const { liar } of sides) {
      for (const { outpoint } of openSessions(wallet.beacon(liar.cohort))) world.chain.spend(outpoint);
      const outpoint = liar.deposit();
      world.chain.mine(6);
      wallet.look(liar.cohort);
      const concerned = concernedDids(wallet.state, wallet.beacon(liar.cohort));
      const registered = concerned.filter(did => wallet.beacon(liar.cohort).registrations.has(did));
      const body = liar.request({
        leaves: registered,
        shown: concerned,
        outpoint,
        round: 1_000,
        seed: toHex(fromHex(drawHex(seed))),
      });
      const [nonce] = sentOf(liar.ask(body), 'nonce');
      const outcome = liar.say(liar.aggregated(body, nonce!.nonce_points[0]!));
      expectSafe(wallet, sides, outcome);
      expect(sentOf(outcome, 'signal_authorization')).toHaveLength(1);
    }
    wallet.restart();
  },
);

test('the walks came by signatures', () => {
  expect(signatures).toBeGreaterThan(WALKS);
});
