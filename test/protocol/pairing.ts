import {
  type CompanionPolicy,
  companionPairStatement,
  companionPolicyStatement,
  type Envelope,
} from '../../src/messages/index.ts';
import { nextPolicy } from '../../src/wallet/companion/owner.ts';
import { asOwner } from '../../src/wallet/companion/pair.ts';
import { draw, schnorr, xOnly } from '../cohort/members.ts';
import type { Outcome, Wallet } from '../wallet/core/wallet.ts';
import { deliver, newOffer, newScene, type Scene, START } from './scene.ts';

export const COMPANION = draw('companion key');
export const OWNER = draw('key of the owner');
export const ONE_TIME = draw('one-time key of the pairing string');
export const EXPIRES = START + 90 * 86_400;

/** A cohort of a companion and of bob; the owner is a member of nothing. */
export interface Paired {
  scene: Scene;
  owner: Wallet;
  companion: Wallet;
  bob: Wallet;
}

export const pairProof = (owner: Uint8Array, companion: string, oneTime = ONE_TIME): string =>
  schnorr(companionPairStatement({ companion, owner: xOnly(owner), network: 'regtest' }), oneTime);

/** An empty companion, an owner, and what the pairing string would say. */
export async function unpaired(name: string): Promise<Paired> {
  const scene = newScene(await newOffer(name), ['owner', 'companion', 'bob']);
  const [owner, companion, bob] = scene.wallets as [Wallet, Wallet, Wallet];
  const pairing = xOnly(ONE_TIME);
  const relays = ['wss://relay.example'];
  const key = companion.hold(COMPANION);
  companion.feed({ type: 'companion_open', key, network: 'regtest', pairing, expires_at: START + 3_600, relays });
  return { scene, owner, companion, bob };
}

/** The owner asks for the companion by the pairing string. */
export function ask(wallet: Wallet, secret: Uint8Array = OWNER): Outcome {
  const companion = xOnly(COMPANION);
  const pairing = xOnly(ONE_TIME);
  const key = wallet.hold(secret);
  const proof = pairProof(secret, companion);
  const relays = ['wss://relay.example'];
  return wallet.feed({ type: 'companion_pair', key, network: 'regtest', companion, pairing, relays, proof });
}

export const signPolicy = (policy: CompanionPolicy, secret: Uint8Array = OWNER): string =>
  schnorr(companionPolicyStatement({ companion: xOnly(COMPANION), owner: xOnly(OWNER), policy }), secret);

/** The owner signs its next policy. */
export function issue(owner: Wallet, changes: Partial<Omit<CompanionPolicy, 'version'>> = {}): CompanionPolicy {
  const defaults = { fee_cap: 2_000, expires_at: EXPIRES };
  const held = asOwner(owner.state)!;
  const policy = nextPolicy(held, { ...(held.policy ? {} : defaults), ...changes })!;
  owner.feed({ type: 'companion_issue', policy, sig: signPolicy(policy) });
  return policy;
}

/** Paired, with a cohort that stands; nothing is funded. */
export async function paired(name: string, stays?: (envelope: Envelope) => boolean): Promise<Paired> {
  const pair = await unpaired(name);
  const { scene, owner, companion, bob } = pair;
  ask(owner);
  deliver(scene, stays);
  const { advert } = scene.offer;
  issue(owner, { adverts: [{ ...advert.event }] });
  deliver(scene, stays);
  companion.join(advert);
  deliver(scene, stays);
  bob.join(advert);
  deliver(scene, stays);
  return pair;
}
