import { nprofileEncode } from 'nostr-tools/nip19';
import { expect } from 'vitest';
import { curve } from '#curve';
import { type Bytes, toHex } from '../../src/crypto/index.ts';
import {
  beaconService,
  type DidDocument,
  didOfGenesis,
  documentOfGenesis,
  genesisDocument,
  jcs,
  type Patch,
} from '../../src/did/index.ts';
import { type Envelope, registrationStatement, type Terms } from '../../src/messages/index.ts';
import { type Advert, didOfIdentity, readAdvert, signAdvert } from '../../src/nostr/advert.ts';
import { advertDocument } from '../../src/nostr/advert-document.ts';
import { type NostrEvent, wrapMessage } from '../../src/nostr/index.ts';
import { fakeChain } from '../cohort/chain.ts';
import { addService, type Controller, draw, newController, schnorr, updateOf, xOnly } from '../cohort/members.ts';
import { PLAIN_FORM } from '../terms.ts';
import { newWallet, scriptOf, type Wallet, type World } from '../wallet/core/wallet.ts';
import { type Aggregator, newAggregator } from './aggregator.ts';

export const START = 1_900_000_000;
const RELAYS = ['wss://relay.example'];
const KEEP = 30 * 86_400;

/** The same bytes in every run. */
export function fixedRandom(label: string): (length: number) => Bytes {
  let drawn = 0;
  return length => {
    if (length > 32) throw new Error('at most 32 bytes at a time');
    return draw(`${label} ${drawn++}`).slice(0, length);
  };
}

export interface Offer {
  content: string;
  advert: Advert;
  event: NostrEvent;
  closed: NostrEvent;
  identity: Bytes;
  transport: Bytes;
}

/** A signed advert, whose keys are made of its id. */
export async function newOffer(id: string, changes: Partial<Terms> = {}): Promise<Offer> {
  const identity = draw(`${id}: identity key of the aggregator`);
  const transport = draw(`${id}: transport key of the aggregator`);
  const terms: Terms = {
    v: 1,
    id,
    ...PLAIN_FORM,
    cohort_size: { min: 2, max: 2 },
    btc_network: 'regtest',
    frequency: { interval: 86_400, min_interval: 0, pending_updates: 1 },
    latency: { cohort_set: 3_600, presence: 600, nonce: 3_600, signature: 3_600 },
    dids: { min: 0, max: 10 },
    funder: 'anyone',
    fee_cap: 2_000,
    communication: ['nip44_v2', 'nip04', 'nip59'],
    transport_key: xOnly(transport),
    return_address: `nostr:${nprofileEncode({ pubkey: xOnly(transport), relays: RELAYS })}`,
    aggregator_did: didOfIdentity(xOnly(identity), 'regtest'),
    ...changes,
  };
  const document = await advertDocument(terms, hash => curve.signSchnorr(hash, identity, draw('aux')));
  const content = jcs(document);
  const parts = { content, terms: document, relays: RELAYS, expiresAt: START + 86_400, expiration: START + 8 * 86_400 };
  const event = signAdvert({ ...parts, status: 'open', createdAt: START, cohort: null }, identity, draw('aux'));
  const closed = signAdvert(
    { ...parts, status: 'full', createdAt: START + 60, cohort: event.id },
    identity,
    draw('aux'),
  );
  const read = readAdvert(event);
  if (!read.ok) throw new Error(read.reason);
  return { content, advert: read.advert, event, closed, identity, transport };
}

/** An aggregator, wallets, and every envelope that went between them, in order. */
export interface Scene {
  offer: Offer;
  world: World;
  aggregator: Aggregator;
  wallets: Wallet[];
  cohort: string;
  transcript: Envelope[];
}

export function newScene(offer: Offer, names: readonly string[]): Scene {
  const world: World = { now: START, chain: fakeChain() };
  const aggregator = newAggregator(world, offer.advert, offer.transport);
  const wallets = names.map(name => newWallet(world, name));
  return { offer, world, aggregator, wallets, cohort: offer.advert.cohort, transcript: [] };
}

export function deliver(scene: Scene, stays: (envelope: Envelope) => boolean = () => false): void {
  const { aggregator, wallets, transcript } = scene;
  const next = (box: { mail: Envelope[] }): Envelope | undefined => {
    const at = box.mail.findIndex(envelope => !stays(envelope));
    return at < 0 ? undefined : box.mail.splice(at, 1)[0];
  };
  for (;;) {
    const down = next(aggregator);
    const sender = down ? undefined : wallets.find(wallet => wallet.mail.some(sent => !stays(sent)));
    const up = sender && next(sender);
    const envelope = down ?? up;
    if (!envelope) return;
    transcript.push(envelope);
    if (envelope.to === scene.offer.advert.terms.transport_key) aggregator.receive(envelope);
    else for (const wallet of wallets) if (isFor(scene, wallet, envelope)) wallet.receive(envelope);
  }
}

const isFor = (scene: Scene, { state }: Wallet, { to }: Envelope): boolean =>
  state.cohorts.get(scene.cohort)?.transport === to ||
  state.cohorts.get(scene.cohort)?.rebinding?.transport === to ||
  state.companionship?.key === to;

/** Blocks come, everybody looks, and what follows is carried. */
export function mine(scene: Scene, blocks = 1): void {
  for (let i = 0; i < blocks; i++) {
    scene.world.chain.mine();
    scene.world.now += 600;
    scene.aggregator.feed({ type: 'advance' });
    deliver(scene);
    for (const wallet of scene.wallets) if (wallet.state.cohorts.has(scene.cohort)) wallet.look(scene.cohort);
    deliver(scene);
  }
}

export function join(scene: Scene, wallet: Wallet): void {
  const { advert } = scene.offer;
  wallet.join(advert, advert.terms.policy.type === 'fallback' ? { allow_fallback: true } : {});
  deliver(scene);
}

/** All wallets join, and a deposit becomes six blocks deep. */
export function form(scene: Scene): void {
  for (const wallet of scene.wallets) join(scene, wallet);
  fund(scene);
}

export function fund(scene: Scene): void {
  const [wallet] = scene.wallets as [Wallet];
  expect(wallet.membership(scene.cohort).phase.name).toBe('ready');
  const { terms } = scene.offer.advert;
  scene.world.chain.deposit(scriptOf(wallet.beacon(scene.cohort).beacon_address, terms), 100_000);
  mine(scene, 6);
}

export interface Owned extends Controller {
  genesis: DidDocument | null;
}

/** A controller whose first document lists the cohort's beacon (`x`), or one made of its key alone (`k`). */
export function newOwned(scene: Scene, wallet: Wallet, name: string, kind: 'x' | 'k' = 'x'): Owned {
  if (kind === 'k') return { ...newController(name), genesis: null };
  const secret = draw(`did key of ${name}`);
  const { terms } = scene.offer.advert;
  const services = [beaconService('#beacon', terms.type, wallet.beacon(scene.cohort).beacon_address)];
  const genesis = genesisDocument({ publicKey: curve.publicKey(secret), network: 'regtest', services });
  const did = didOfGenesis(genesis, 'regtest');
  return { did, secret, genesis, document: documentOfGenesis(did, genesis), method: `${did}#key-0` };
}

export function register(scene: Scene, wallet: Wallet, controller: Owned): void {
  const { cohort, aggregator, offer } = scene;
  const { did, method, secret, genesis, document } = controller;
  aggregator.documents.set(did, { document, version: 1 });
  wallet.addDid(controller);
  const { beacon_address, challenge } = wallet.beacon(cohort);
  const statement = registrationStatement({
    did,
    network: offer.advert.terms.btc_network,
    beacon_address,
    participant_pk: wallet.membership(cohort).participant_pk,
    challenge,
  });
  const proof = { verification_method: method, sig: schnorr(statement, secret) };
  const sidecar = genesis ? { genesisDocument: genesis } : {};
  wallet.feed({ type: 'register', cohort, did, proof, sidecar });
  deliver(scene);
  expect(wallet.beacon(cohort).registrations.get(did)?.name).toBe('held');
}

export async function submit(
  scene: Scene,
  wallet: Wallet,
  controller: Owned,
  { bare = false, patch = addService('site') }: { bare?: boolean; patch?: Patch } = {},
) {
  const { did, document } = controller;
  const update = await updateOf(controller, patch);
  wallet.feed({ type: 'submit_update', did, update, document, cohorts: [scene.cohort], ...(bare ? { bare } : {}) });
  return update;
}

/** The signed event that carries an envelope, as its sender makes it. */
export function eventsOf(scene: Scene, envelope: Envelope): NostrEvent[] {
  const secret = secretsOf(scene).get(envelope.from);
  if (!secret) throw new Error(`no secret of ${envelope.from}`);
  return wrapMessage(outgoing(envelope, secret));
}

export const outgoing = (envelope: Envelope, from: Bytes) => ({
  plaintext: JSON.stringify(envelope),
  from,
  to: envelope.to,
  contextId: envelope.session ?? envelope.cohort,
  createdAt: envelope.created_at,
  expiration: envelope.created_at + KEEP,
  random: fixedRandom(`wrap ${envelope.id}`),
});

/** Transport secrets of everybody, by public key. */
export const secretsOf = ({ offer, wallets, cohort }: Scene): Map<string, Bytes> =>
  new Map(
    [offer.transport, ...wallets.map(({ name }) => draw(`transport key of ${name} in ${cohort}`))].map(secret => [
      xOnly(secret),
      secret,
    ]),
  );

/** Every secret key of a scene, in hex: fixed, published here, worth nothing. */
export const keysOf = ({ offer, wallets, cohort }: Scene) => ({
  identity: toHex(offer.identity),
  aggregator_transport: toHex(offer.transport),
  members: Object.fromEntries(
    wallets.map(({ name }) => [
      name,
      {
        cohort_key: toHex(draw(`cohort key of ${name} in ${cohort}`)),
        transport_key: toHex(draw(`transport key of ${name} in ${cohort}`)),
      },
    ]),
  ),
});
