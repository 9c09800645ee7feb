import { expect } from 'vitest';
import { curve } from '#curve';
import { parseTx } from '../../../src/bitcoin/index.ts';
import {
  applyUpdate,
  beaconService,
  type DidDocument,
  didOfGenesis,
  documentOfGenesis,
  genesisDocument,
  makeSidecar,
  type Patch,
  resolve,
  type SignedUpdate,
} from '../../../src/did/index.ts';
import type { Envelope, Terms } from '../../../src/messages/index.ts';
import { fakeChain } from '../../cohort/chain.ts';
import { addService, type Controller, draw, newController, updateOf } from '../../cohort/members.ts';
import { type Aggregator, newAggregator } from './aggregator.ts';
import { newWallet, type Wallet, type World } from './wallet.ts';

export const START = 1_900_000_000;

export const newWorld = (): World => ({ now: START, chain: fakeChain({ deposits: 'real' }) });

/** One honest aggregator, and the wallets of its cohort. */
export interface Scene {
  world: World;
  aggregator: Aggregator;
  wallets: Wallet[];
  cohort: string;
}

type Filter = (envelope: Envelope) => boolean;

/** Carries messages both ways until nobody has anything to say; what `stays` holds remains in the mail. */
export function deliver({ aggregator, wallets }: Scene, stays: Filter = () => false): void {
  const take = (box: { mail: Envelope[] }): Envelope[] => {
    const taken = box.mail.filter(envelope => !stays(envelope));
    box.mail = box.mail.filter(stays);
    return taken;
  };
  for (;;) {
    const down = take(aggregator);
    const up = wallets.flatMap(take);
    if (down.length + up.length === 0) return;
    for (const envelope of down) for (const wallet of wallets) if (isFor(wallet, envelope)) wallet.receive(envelope);
    for (const envelope of up) aggregator.receive(envelope);
  }
}

function isFor(wallet: Wallet, { cohort, to }: Envelope): boolean {
  const membership = wallet.state.cohorts.get(cohort);
  return membership?.transport === to || membership?.rebinding?.transport === to;
}

export const only =
  (...types: Envelope['type'][]): Filter =>
  envelope =>
    types.includes(envelope.type);

/** Blocks come; everybody looks, and what follows is carried. */
export function mine(scene: Scene, blocks = 1, stays?: Filter): void {
  for (let i = 0; i < blocks; i++) {
    scene.world.chain.mine();
    scene.world.now += 600;
    scene.aggregator.advance();
    deliver(scene, stays);
    for (const wallet of scene.wallets) wallet.look(scene.cohort);
    deliver(scene, stays);
  }
}

export function wait(scene: Scene, seconds: number, stays?: Filter): void {
  scene.world.now += seconds;
  scene.aggregator.advance();
  deliver(scene, stays);
}

/** A cohort that stands, with a deposit six deep. */
export function ready(
  changes: Partial<Terms> = {},
  names = ['ada', 'bob'],
  { deposit = 100_000, quick = false } = {},
): Scene {
  const world: World = { ...newWorld(), quick };
  const size = { cohort_size: { min: 2, max: names.length } };
  const aggregator = newAggregator(world, 'honest', { ...size, ...changes });
  const wallets = names.map(name => newWallet(world, name));
  const scene = { world, aggregator, wallets, cohort: aggregator.advert.cohort };
  const agreed = aggregator.advert.terms.policy.type === 'fallback' ? { allow_fallback: true } : {};
  for (const wallet of wallets) wallet.join(aggregator.advert, agreed);
  deliver(scene);
  for (const wallet of wallets) expect(wallet.membership(scene.cohort).phase.name).toBe('ready');
  world.chain.deposit(aggregator.script, deposit);
  mine(scene, 6);
  return scene;
}

/** A DID of a wallet, registered by an exchange of messages. */
export function register(scene: Scene, wallet: Wallet, name: string): Controller {
  const controller = newController(name);
  scene.aggregator.documents.set(controller.did, { document: controller.document, version: 1 });
  wallet.addDid(controller);
  wallet.register(scene.cohort, controller);
  deliver(scene);
  expect(wallet.beacon(scene.cohort).registrations.get(controller.did)).toEqual({ name: 'held', proven: true });
  return controller;
}

export interface Made {
  update: SignedUpdate;
  document: DidDocument;
}

/** A signed update and the document that it makes. */
export async function drafted(
  controller: Controller,
  label: string,
  { document = controller.document, version = 1, patch = addService(label) as Patch } = {},
): Promise<Made> {
  const update = await updateOf(controller, patch, { document, version });
  return { update, document: applyUpdate({ did: controller.did, document, versionId: version, update }) };
}

/** An `x` DID whose first document lists the cohort's beacon beside the controller's own. */
export interface XController extends Controller {
  genesis: DidDocument;
}

export function newXController(name: string, type: 'SMTBeacon' | 'CASBeacon', address: string): XController {
  const secret = draw(`did key of ${name}`);
  const publicKey = curve.publicKey(secret);
  const services = [beaconService('#beacon', type, address)];
  const genesis = genesisDocument({ publicKey, network: 'regtest', services });
  const did = didOfGenesis(genesis, 'regtest');
  return { did, secret, genesis, document: documentOfGenesis(did, genesis), method: `${did}#key-0` };
}

/** The wallet makes a DID that lists the beacon, and registers it. */
export function registerListed(scene: Scene, wallet: Wallet, name: string): XController {
  const { terms } = scene.aggregator.advert;
  const controller = newXController(name, terms.type, scene.aggregator.beacon.address);
  scene.aggregator.documents.set(controller.did, { document: controller.document, version: 1 });
  wallet.addDid(controller);
  wallet.register(scene.cohort, controller);
  deliver(scene);
  return controller;
}

/** Resolves a DID from nothing but what its wallet kept, against the chain. */
export function resolveBy(scene: Scene, wallet: Wallet, { did, genesis }: XController) {
  const signals = [...wallet.beacon(scene.cohort).signals.values()];
  const sidecar = makeSidecar({
    genesisDocument: genesis,
    updates: wallet.state.dids.get(did)!.updates.map(known => known.update),
    smtProofs: signals.flatMap(({ proofs }) => proofs.get(did) ?? []),
    casUpdates: signals.flatMap(({ map }) => (map ? [map] : [])),
  });
  const { tip, history } = scene.world.chain.view(scene.aggregator.script);
  return resolve({
    did,
    sidecar,
    chain: {
      tip: async () => tip,
      spends: async address =>
        address !== scene.aggregator.beacon.address
          ? []
          : history.flatMap(({ txid, height, hex, spends }) =>
              spends && height !== null
                ? [{ txid, height, blockTime: height * 600, lastOutputScript: parseTx(hex).outputs.at(-1)!.script_hex }]
                : [],
            ),
    },
  });
}
