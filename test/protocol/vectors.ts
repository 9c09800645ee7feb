import { curve } from '#curve';
import {
  createMusig,
  leafSighash,
  parseTx,
  readSignalPsbt,
  scriptToAddress,
  signalSighash,
} from '../../src/bitcoin/index.ts';
import type { CohortState } from '../../src/cohort/index.ts';
import { keySetOf, treeKeysOf } from '../../src/cohort/keys.ts';
import { signalEntries } from '../../src/cohort/leaves.ts';
import { type Bytes, fromHex, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import { announcementOf, jcs } from '../../src/did/index.ts';
import {
  type Body,
  type Envelope,
  type Message,
  type MessageType,
  rebindStatement,
  signEnvelope,
} from '../../src/messages/index.ts';
import { encodeAdvertLink } from '../../src/nostr/advert-link.ts';
import { splitText } from '../../src/nostr/chunk.ts';
import { wrapGift, wrapNip04 } from '../../src/nostr/index.ts';
import { conversationKey } from '../../src/nostr/nip44.ts';
import { leafIndex, leafValue } from '../../src/smt/index.ts';
import { encodeCompanionLink } from '../../src/wallet/companion/link.ts';
import { addService, draw, schnorr, xOnly } from '../cohort/members.ts';
import type { Wallet } from '../wallet/core/wallet.ts';
import { COMPANION, fileOf, HEIR, issue, ONE_TIME, OWNER, paired, putBack } from './pairing.ts';
import {
  deliver,
  eventsOf,
  form,
  fund,
  join,
  keysOf,
  mine,
  newOffer,
  newOwned,
  newScene,
  type Offer,
  type Owned,
  outgoing,
  register,
  type Scene,
  START,
  secretsOf,
  submit,
} from './scene.ts';

const NOTE = 'Made by test/protocol/vectors.ts from src/. Every secret in here is fixed, public, and for tests only.';

type Json = Record<string, unknown>;
export type Vectors = Record<string, Json>;

/** The body of the nth message of a type. */
export function bodyOf<T extends MessageType>(scene: Scene, type: T, nth = 0): Body<T> {
  const found = scene.transcript.filter(envelope => envelope.type === type)[nth];
  if (!found) throw new Error(`the scene has no ${type} ${nth}`);
  return found.body as Body<T>;
}

const beaconOf = ({ aggregator }: Scene) => {
  const { phase } = aggregator.state as CohortState;
  if (phase.name !== 'formed') throw new Error(`the cohort is ${phase.name}`);
  return phase.beacon;
};

const controllerOf = ({ did, secret, genesis }: Owned) => ({
  did,
  secret: toHex(secret),
  ...(genesis ? { genesis } : {}),
});

function advertVectors({ content, advert, event, closed, identity, transport }: Offer): Json {
  return {
    note: NOTE,
    identity_secret: toHex(identity),
    transport_secret: toHex(transport),
    content,
    terms_hash: advert.terms_hash,
    cohort: advert.cohort,
    event,
    full_event: closed,
    document: JSON.parse(content) as Json,
    link: encodeAdvertLink(event, ['wss://relay.example']),
    short_link: encodeAdvertLink(event, ['wss://relay.example'], { maxChars: 0 }),
  };
}

/** Keys of the cohort and what they make. */
function cohortFacts(scene: Scene): Json {
  const beacon = beaconOf(scene);
  const keySet = keySetOf(beacon.participant_pubkeys, beacon.policy);
  return {
    participant_pubkeys: beacon.participant_pubkeys,
    internal_key: toHex(keySet.internalKey),
    ...(keySet.merkleRoot ? { merkle_root: toHex(keySet.merkleRoot) } : {}),
    tweak: toHex(keySet.tweak),
    output_key: toHex(keySet.outputKey),
    script_pubkey: beacon.script_hex,
    beacon_address: beacon.address,
  };
}

/** Everything that a session is made of, so that it can be followed number by number. */
function sessionFacts(scene: Scene): Json {
  const beacon = beaconOf(scene);
  const request = bodyOf(scene, 'authorize_beacon_signal_request');
  const agg = bodyOf(scene, 'aggregated_nonce');
  const status = bodyOf(scene, 'signal_status');
  const psbt = readSignalPsbt(request.pending_beacon_signal[0]!);
  const sighash = signalSighash(psbt.unsignedHex, psbt.prevoutScriptHex, psbt.prevout.value_sats);
  const musig = createMusig(curve);
  const keySet = musig.keySet(beacon.participant_pubkeys.map(key => fromHex(key, 33)));
  const members = scene.wallets.map(wallet => {
    const { participant_pk: pk, transport } = wallet.membership(scene.cohort);
    const of = <T extends MessageType>(type: T) =>
      scene.transcript.find(sent => sent.type === type && sent.from === transport)!.body as Body<T>;
    const secretKey = draw(`cohort key of ${wallet.name} in ${scene.cohort}`);
    const nonce_points = of('nonce').nonce_points;
    // The wallet of the tests counts what it draws over all scenes.
    for (let i = 0; i < 100; i++) {
      const random32 = draw(`${wallet.name} random ${i}`);
      const drawn = musig.newNonce({ secretKey, publicKey: fromHex(pk, 33), keySet, message: sighash, random32 });
      if (toHex(drawn.publicNonce) === nonce_points[0]!.join(''))
        return { participant_pk: pk, random32: toHex(random32), nonce_points, sig: of('signal_authorization').sig };
    }
    throw new Error('the nonce was made of other randomness');
  });
  return {
    session_id_preimage: JSON.parse(
      jcs({
        cohort: scene.cohort,
        round: request.round,
        attempt: request.attempt,
        outpoint: `${psbt.prevout.txid}:${psbt.prevout.vout}`,
        transactions: [psbt.txid],
        participant_pubkeys: beacon.participant_pubkeys,
        signal_bytes: request.signal_bytes,
      }),
    ) as Json,
    session_id: request.session_id,
    prevout: psbt.prevout,
    fee_sats: psbt.feeSats,
    psbt: request.pending_beacon_signal[0],
    unsigned_transaction: psbt.unsignedHex,
    sighash: toHex(sighash),
    nonce_gen: 'BIP-327 NonceGen(random32, sk, pk, aggpk = output_key, m = sighash, no extra input)',
    members,
    agg_nonce: agg.agg_nonce,
    final_transaction: status.transactions[0],
    txid: status.txid,
  };
}

/** Every leaf of the tree of the first signal. */
function treeFacts(scene: Scene): Json {
  const beacon = beaconOf(scene);
  const { frozen } = beacon.signals[0]!;
  return {
    signal_bytes: frozen.signal_bytes,
    leaves: signalEntries(beacon.leaves, frozen).map(({ index, did, nonce, announcement, leaf }) => ({
      ...(did === undefined || frozen.blinded ? {} : { did }),
      index,
      ...(nonce === undefined ? {} : { nonce }),
      ...(announcement === undefined ? {} : { announcement }),
      value:
        leaf ??
        toHex(
          leafValue({
            ...(nonce === undefined ? {} : { nonce: fromHex(nonce) }),
            ...(announcement === undefined ? {} : { announcement: fromHex(announcement) }),
          }),
        ),
    })),
  };
}

async function pushSmt(): Promise<{ scene: Scene; json: Json; offer: Offer }> {
  const offer = await newOffer('vectors-push-smt');
  const scene = newScene(offer, ['ada', 'bob']);
  const [ada, bob] = scene.wallets as [Wallet, Wallet];
  form(scene);
  const one = newOwned(scene, ada, 'one');
  const two = newOwned(scene, bob, 'two', 'k');
  register(scene, ada, one);
  register(scene, bob, two);
  const update = await submit(scene, ada, one);
  deliver(scene);
  mine(scene, 6);
  const late = newOwned(scene, bob, 'late');
  register(scene, bob, late);
  return {
    scene,
    offer,
    json: {
      note: NOTE,
      keys: keysOf(scene),
      controllers: { one: controllerOf(one), two: controllerOf(two), late: controllerOf(late) },
      advert: offer.event,
      cohort: cohortFacts(scene),
      update,
      announcement: toHex(announcementOf(update)),
      tree: treeFacts(scene),
      session: sessionFacts(scene),
      messages: scene.transcript.map(envelope => ({ envelope, events: eventsOf(scene, envelope) })),
    },
  };
}

async function pullCas(): Promise<{ scene: Scene; json: Json }> {
  const offer = await newOffer('vectors-pull-cas', { type: 'CASBeacon', flow: 'pull' });
  const scene = newScene(offer, ['ada', 'bob']);
  const [ada, bob] = scene.wallets as [Wallet, Wallet];
  form(scene);
  const [one, two, three] = [newOwned(scene, ada, 'one'), newOwned(scene, bob, 'two'), newOwned(scene, bob, 'three')];
  register(scene, ada, one);
  register(scene, bob, two);
  register(scene, bob, three);
  const whole = await submit(scene, ada, one);
  const bare = await submit(scene, bob, two, { bare: true });
  scene.aggregator.feed({ type: 'open_round' });
  deliver(scene);
  mine(scene, 6);
  const { map } = bodyOf(scene, 'authorize_beacon_signal_request').evidence as { map: Json };
  return {
    scene,
    json: {
      note: NOTE,
      keys: keysOf(scene),
      controllers: { one: controllerOf(one), two: controllerOf(two), three: controllerOf(three) },
      advert: offer.event,
      cohort: cohortFacts(scene),
      updates: [whole, bare],
      map: { jcs: jcs(map), signal_bytes: toHex(sha256(utf8(jcs(map)))) },
      session: sessionFacts(scene),
      messages: scene.transcript.map(envelope => ({ envelope })),
    },
  };
}

async function blinded(): Promise<{ scene: Scene; json: Json }> {
  const offer = await newOffer('vectors-blinded', { flow: 'pull', privacy: 'blinded' });
  const scene = newScene(offer, ['ada', 'bob']);
  const [ada, bob] = scene.wallets as [Wallet, Wallet];
  form(scene);
  const [one, two] = [newOwned(scene, ada, 'one'), newOwned(scene, bob, 'two')];
  register(scene, ada, one);
  register(scene, bob, two);
  const update = await submit(scene, ada, one);
  scene.aggregator.feed({ type: 'open_round' });
  deliver(scene);
  mine(scene, 6);
  const { opportunity_id, beacon_address } = bodyOf(scene, 'update_opportunity');
  const leaves = [
    { wallet: ada, did: one.did, announcement: announcementOf(update) },
    { wallet: bob, did: two.did, announcement: null },
  ].map(({ wallet, did, announcement }) => {
    const seed = sha256(utf8(`${wallet.name} nonces`));
    const answered = wallet
      .beacon(scene.cohort)
      .opportunities.get(opportunity_id)!
      .entries!.find(e => e.did === did)!;
    const nonce = fromHex(answered.nonce!, 32);
    const [signal] = wallet.beacon(scene.cohort).signals.values();
    return {
      did,
      index: toHex(leafIndex(did)),
      nonce_seed: toHex(seed),
      nonce: answered.nonce,
      announcement: announcement && toHex(announcement),
      leaf: toHex(leafValue({ nonce, ...(announcement ? { announcement } : {}) })),
      proof_unblinded: signal!.proofs.get(did),
    };
  });
  return {
    scene,
    json: {
      note: NOTE,
      keys: keysOf(scene),
      controllers: { one: controllerOf(one), two: controllerOf(two) },
      advert: offer.event,
      cohort: cohortFacts(scene),
      update,
      opportunity_id,
      beacon_address,
      nonce_derivation: 'HMAC-SHA256(nonce_seed, utf8(beacon_address) || index || opportunity_id)',
      leaves,
      tree: treeFacts(scene),
      session: sessionFacts(scene),
      messages: scene.transcript.map(envelope => ({ envelope })),
    },
  };
}

/** A message that a wallet would write, without the wallet. */
function say(scene: Scene, from: Bytes, seq: number, message: Message, about: { session?: string } = {}): void {
  const { offer, world, cohort, aggregator, transcript } = scene;
  const to = offer.advert.terms.transport_key;
  const envelope = signEnvelope(
    { ...message, ...about, from: xOnly(from), to, cohort, seq, created_at: world.now },
    from,
    draw('aux'),
  );
  transcript.push(envelope);
  aggregator.receive(envelope);
  deliver(scene);
}

/** What goes wrong, and who comes and goes. */
async function failures(): Promise<{ scene: Scene; json: Json }> {
  const offer = await newOffer('vectors-failures', { cohort_size: { min: 2, max: 3 } });
  const scene = newScene(offer, ['ada', 'eve', 'bob']);
  const { cohort, world } = scene;
  const [ada, eve, bob] = scene.wallets as [Wallet, Wallet, Wallet];
  join(scene, ada);
  join(scene, eve);
  eve.feed({ type: 'leave', cohort, reason: 'moving away' });
  deliver(scene);
  join(scene, bob);
  world.now = START + 86_401;
  scene.aggregator.feed({ type: 'advance' });
  deliver(scene);
  fund(scene);
  const one = newOwned(scene, ada, 'one');
  register(scene, ada, one);
  const transportOf = (name: string) => draw(`transport key of ${name} in ${cohort}`);
  const { beacon_address } = ada.beacon(cohort);
  const { participant_pk } = bob.membership(cohort);
  const stranger = newOwned(scene, bob, 'two', 'k');
  say(scene, transportOf('bob'), 100, {
    type: 'did_update',
    body: { beacon_address, participant_pk, did: stranger.did, announcement: '11'.repeat(32), target_version_id: 2 },
  });
  const view = bob.eye;
  bob.eye = truth => ({ ...truth, utxos: [] });
  await submit(scene, ada, one);
  deliver(scene);
  bob.eye = view;
  world.now += 3_600;
  scene.aggregator.feed({ type: 'advance' });
  deliver(scene, envelope => envelope.type === 'aggregated_nonce');
  bob.restart();
  deliver(scene);
  const session_id = bodyOf(scene, 'nonce_lost').session_id;
  say(scene, transportOf('bob'), 101, {
    type: 'proof_request',
    body: { beacon_address, did: stranger.did, session_id },
  });
  const rebound = draw('second transport key of bob');
  const statement = rebindStatement({ cohort, participant_pk, transport_key: xOnly(rebound), counter: 1 });
  say(scene, rebound, 0, {
    type: 'rebind',
    body: {
      participant_pk,
      transport_key: xOnly(rebound),
      counter: 1,
      sig: schnorr(statement, draw(`cohort key of bob in ${cohort}`)),
    },
  });
  return {
    scene,
    json: {
      note: NOTE,
      keys: { ...keysOf(scene), rebound_transport: toHex(rebound) },
      advert: offer.event,
      cohort: cohortFacts(scene),
      messages: scene.transcript.map(envelope => ({ envelope })),
    },
  };
}

/** A ladder of fees that is signed by one of two, and the cancel that closes it. */
async function spends(): Promise<{ scene: Scene; json: Json }> {
  const offer = await newOffer('vectors-spends', { fee_ladder: { steps: 3, factor: 2, blocks: 6 } });
  const scene = newScene(offer, ['ada', 'bob']);
  const { cohort, world } = scene;
  const [ada, bob] = scene.wallets as [Wallet, Wallet];
  form(scene);
  const one = newOwned(scene, ada, 'one');
  register(scene, ada, one);
  await submit(scene, ada, one);
  const { transport } = bob.membership(cohort);
  deliver(scene, envelope => envelope.type === 'aggregated_nonce' && envelope.to === transport);
  world.now += 7_200;
  scene.aggregator.mail = [];
  scene.aggregator.feed({ type: 'start_spend', purpose: 'cancel' });
  deliver(scene);
  mine(scene, 6);
  return {
    scene,
    json: {
      note: NOTE,
      keys: keysOf(scene),
      controllers: { one: controllerOf(one) },
      advert: offer.event,
      cohort: cohortFacts(scene),
      messages: scene.transcript.map(envelope => ({ envelope })),
    },
  };
}

/** The refund of a deposit that no round has spent, asked for by a member and signed by both. */
async function refunds(): Promise<{ scene: Scene; json: Json }> {
  const address = scriptToAddress(`5120${xOnly(draw('where the refund goes'))}`, 'regtest')!;
  const offer = await newOffer('vectors-refunds', { refund: { address, delay_blocks: 1_008 } });
  const scene = newScene(offer, ['ada', 'bob']);
  const { cohort, world } = scene;
  const [ada] = scene.wallets as [Wallet];
  form(scene);
  const [deposited] = world.chain.view(ada.beacon(cohort).script_hex).utxos;
  const { txid, vout, value_sats } = deposited!;
  ada.feed({ type: 'ask_refund', cohort, outpoint: { txid, vout, value_sats } });
  deliver(scene);
  return {
    scene,
    json: {
      note: NOTE,
      keys: keysOf(scene),
      advert: offer.event,
      cohort: cohortFacts(scene),
      messages: scene.transcript.map(envelope => ({ envelope })),
    },
  };
}

/** A round in which one of three is silent after its nonce, so that the others sign in the fallback leaf. */
async function fallback(): Promise<{ scene: Scene; json: Json }> {
  const recovery = draw('recovery key of the operator');
  const policy = {
    type: 'fallback',
    threshold: 'n-1',
    recovery_key: xOnly(recovery),
    recovery_delay_blocks: 1_008,
  } as const;
  const offer = await newOffer('vectors-fallback', { policy, cohort_size: { min: 3, max: 3 } });
  const scene = newScene(offer, ['ada', 'bob', 'eve']);
  const { cohort, world } = scene;
  const [ada, , eve] = scene.wallets as [Wallet, Wallet, Wallet];
  form(scene);
  const one = newOwned(scene, ada, 'one');
  register(scene, ada, one);
  await submit(scene, ada, one);
  const { transport } = eve.membership(cohort);
  const silent = (envelope: Envelope): boolean =>
    envelope.to === transport && ['aggregated_nonce', 'fallback_authorization_request'].includes(envelope.type);
  deliver(scene, silent);
  world.now += 3_600;
  scene.aggregator.feed({ type: 'advance' });
  deliver(scene, silent);
  scene.aggregator.mail = [];
  mine(scene, 6);
  return {
    scene,
    json: {
      note: NOTE,
      keys: { ...keysOf(scene), recovery: toHex(recovery) },
      controllers: { one: controllerOf(one) },
      advert: offer.event,
      cohort: cohortFacts(scene),
      fallback: fallbackFacts(scene),
      messages: scene.transcript.map(envelope => ({ envelope })),
    },
  };
}

/** Everything that a fallback is made of. */
function fallbackFacts(scene: Scene): Json {
  const beacon = beaconOf(scene);
  const keys = treeKeysOf(beacon.participant_pubkeys, beacon.policy)!;
  const { pending_beacon_signal } = bodyOf(scene, 'fallback_authorization_request');
  const { unsignedHex, txid, prevout, feeSats } = readSignalPsbt(pending_beacon_signal[0]!);
  const spent = { scriptHex: beacon.script_hex, valueSats: prevout.value_sats };
  const { transactions } = bodyOf(scene, 'signal_status');
  const witness = parseTx(transactions[0]!).inputs[0]!.witness;
  return {
    fallback_script: toHex(keys.tree.fallback.script),
    fallback_leaf_hash: toHex(keys.tree.fallback.hash),
    recovery_script: toHex(keys.tree.recovery.script),
    recovery_leaf_hash: toHex(keys.tree.recovery.hash),
    control_block: witness.at(-1),
    prevout,
    fee_sats: feeSats,
    unsigned_transaction: unsignedHex,
    sighash: toHex(leafSighash(unsignedHex, spent, keys.tree.fallback)),
    final_transaction: transactions[0],
    txid,
  };
}

/** A cohort whose one member wants to go, and that ends: its DID takes the beacon out, the money moves, the keys go. */
async function ends(): Promise<{ scene: Scene; json: Json }> {
  const offer = await newOffer('vectors-ends');
  const next = await newOffer('vectors-ends-successor');
  const scene = newScene(offer, ['ada', 'bob']);
  const { cohort, world, aggregator } = scene;
  const [ada, bob] = scene.wallets as [Wallet, Wallet];
  form(scene);
  const one = newOwned(scene, ada, 'one');
  register(scene, ada, one);
  bob.feed({ type: 'leave', cohort, reason: 'moving away' });
  deliver(scene);
  const successor = {
    cohort: next.advert.cohort,
    terms_hash: next.advert.terms_hash,
    link: encodeAdvertLink(next.event, ['wss://relay.example'], { maxChars: 0 }),
    beacon_address: null,
  };
  aggregator.feed({ type: 'end_cohort', successor, deadline: world.now + 86_400, text: 'one member leaves' });
  deliver(scene);
  const to = scriptToAddress(`5120${xOnly(draw('the beacon of the successor'))}`, 'regtest')!;
  aggregator.feed({ type: 'successor_formed', beacon_address: to });
  deliver(scene);
  await submit(scene, ada, one, { patch: [{ op: 'remove', path: '/service/0' }] });
  deliver(scene);
  mine(scene, 6);
  for (const wallet of scene.wallets) wallet.feed({ type: 'agree_release', cohort, to });
  aggregator.feed({ type: 'start_spend', purpose: 'move', to });
  deliver(scene);
  mine(scene, 6);
  for (const wallet of scene.wallets) wallet.feed({ type: 'retire', cohort, listing: [], abandon: false });
  deliver(scene);
  return {
    scene,
    json: {
      note: NOTE,
      keys: keysOf(scene),
      controllers: { one: controllerOf(one) },
      advert: offer.event,
      successor: next.event,
      cohort: cohortFacts(scene),
      messages: scene.transcript.map(envelope => ({ envelope })),
    },
  };
}

/** A companion and its owner: pairing, policy, an update given back, another one signed for, a stranger's try. */
async function companions(): Promise<{ scene: Scene; json: Json }> {
  const pair = await paired('vectors-companion');
  const { scene, owner } = pair;
  fund(scene);
  const one = newOwned(scene, owner, 'one');
  issue(owner, { dids: [one.did] });
  owner.feed({ type: 'companion_heir', cohort: scene.cohort, transport_key: owner.hold(HEIR) });
  owner.feed({ type: 'companion_sync' });
  deliver(scene);
  register(scene, owner, one);
  const first = await submit(scene, owner, one, { patch: addService('first') });
  const given = (envelope: Envelope): boolean => envelope.type === 'did_update' && envelope.from !== xOnly(OWNER);
  deliver(scene, given);
  owner.feed({ type: 'companion_withdraw', did: one.did, announcement: toHex(announcementOf(first)) });
  deliver(scene, given);
  pair.companion.mail = pair.companion.mail.filter(envelope => !given(envelope));
  const second = await submit(scene, owner, one);
  deliver(scene);
  mine(scene, 6);
  owner.feed({ type: 'companion_withdraw', did: one.did, announcement: toHex(announcementOf(second)) });
  owner.feed({ type: 'companion_sync' });
  deliver(scene);
  const to = scriptToAddress(`5120${xOnly(draw('where the money of the companion goes'))}`, 'regtest')!;
  owner.feed({ type: 'companion_end', cohort: scene.cohort, release: to, delete_key: false, abandon: false });
  deliver(scene);
  // The owner is lost, and another wallet is made of its words.
  putBack(pair, owner, fileOf(owner.state), [one]);
  deliver(scene);
  const { 'owner again': _, ...members } = keysOf(scene).members;
  return {
    scene,
    json: {
      note: NOTE,
      keys: {
        ...keysOf(scene),
        members,
        companion: toHex(COMPANION),
        owner: toHex(OWNER),
        heir: toHex(HEIR),
        pairing: toHex(ONE_TIME),
      },
      pairing_string: encodeCompanionLink({
        companion: xOnly(COMPANION),
        network: 'regtest',
        relays: ['wss://relay.example'],
        secret: toHex(ONE_TIME),
      }),
      controllers: { one: controllerOf(one) },
      advert: scene.offer.event,
      cohort: cohortFacts(scene),
      messages: scene.transcript.map(envelope => ({ envelope })),
    },
  };
}

/** One message in every dress. */
function dresses(scene: Scene): Json {
  const envelope = scene.transcript.find(sent => sent.type === 'opt_in')!;
  const secret = secretsOf(scene).get(envelope.from)!;
  const plaintext = JSON.stringify(envelope);
  return {
    note: NOTE,
    sender_secret: toHex(secret),
    recipient_secret: toHex(scene.offer.transport),
    conversation_key: toHex(conversationKey(secret, envelope.to)),
    session_tag_context: envelope.session ?? envelope.cohort,
    plaintext,
    nip44_v2: eventsOf(scene, envelope),
    nip04: wrapNip04(outgoing(envelope, secret)),
    nip59: wrapGift(outgoing(envelope, secret)),
    chunks: splitText(plaintext, 700, draw('chunk set').slice(0, 16)),
  };
}

/** All files of test/vectors/protocol, by name. The order of the scenes is part of the result. */
export async function makeVectors(): Promise<{ files: Vectors; scenes: Record<string, Envelope[]> }> {
  const push = await pushSmt();
  const pull = await pullCas();
  const blind = await blinded();
  const failed = await failures();
  const spent = await spends();
  const ended = await ends();
  const halves = await companions();
  const fell = await fallback();
  const given = await refunds();
  return {
    files: {
      'advert.json': advertVectors(push.offer),
      'push-smt.json': push.json,
      'pull-cas.json': pull.json,
      'blinded.json': blind.json,
      'failures.json': failed.json,
      'spends.json': spent.json,
      'ends.json': ended.json,
      'companion.json': halves.json,
      'fallback.json': fell.json,
      'refunds.json': given.json,
      'envelopes.json': dresses(push.scene),
    },
    scenes: {
      'push-smt': push.scene.transcript,
      'pull-cas': pull.scene.transcript,
      blinded: blind.scene.transcript,
      failures: failed.scene.transcript,
      spends: spent.scene.transcript,
      ends: ended.scene.transcript,
      companion: halves.scene.transcript,
      fallback: fell.scene.transcript,
      refunds: given.scene.transcript,
    },
  };
}
