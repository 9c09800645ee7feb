import { expect } from 'vitest';
import {
  type CompanionPolicy,
  companionPairStatement,
  companionPolicyStatement,
  type Envelope,
} from '../../src/messages/index.ts';
import { nextPolicy } from '../../src/wallet/companion/owner.ts';
import { asOwner } from '../../src/wallet/companion/pair.ts';
import type { WalletState } from '../../src/wallet/core.ts';
import { type RecoveryCohort, readRecovery, recoveryOf, versionsOf } from '../../src/wallet/recovery.ts';
import { draw, publicHex, schnorr, xOnly } from '../cohort/members.ts';
import { newWallet, type Outcome, roundTrip, type Wallet } from '../wallet/core/wallet.ts';
import { deliver, newOffer, newOwned, newScene, type Owned, register, type Scene, START } from './scene.ts';

export const COMPANION = draw('companion key');
export const OWNER = draw('key of the owner');
export const ONE_TIME = draw('one-time key of the pairing string');
export const HEIR = draw('heir of the lost owner');
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

/** Paired, and one DID of the owner registered; nothing is funded. */
export async function standing(name: string): Promise<Paired & { one: Owned; cohort: string }> {
  const pair = await paired(name);
  const { scene, owner } = pair;
  const { cohort } = scene;
  const one = newOwned(scene, owner, 'one');
  issue(owner, { dids: [one.did] });
  deliver(scene);
  register(scene, owner, one);
  return { ...pair, one, cohort };
}

/** What the file of a wallet says: read back as a stranger would. */
export function fileOf(state: WalletState) {
  const read = readRecovery(roundTrip(recoveryOf(state, 'regtest', 0)));
  if (!read.ok) throw new Error(read.text);
  return read.recovery;
}

/** The owner is lost, and in its place there is a wallet made of words and a file: DIDs, seats without a key, and the name of its companion. */
export function putBack(
  { scene }: Paired,
  lost: Wallet,
  file: ReturnType<typeof fileOf>,
  dids: readonly Owned[],
): Wallet {
  scene.wallets.splice(scene.wallets.indexOf(lost), 1);
  const wallet = newWallet(scene.world, 'owner again');
  wallet.hold(OWNER);
  wallet.hold(HEIR);
  for (const part of file.dids) putDid(wallet, dids.find(({ did }) => did === part.did)!, part.sidecar);
  for (const part of file.cohorts) putCohort({ scene }, wallet, part);
  scene.wallets.unshift(wallet);
  const known = file.cohorts[0]!.companion!;
  const { companion, pairing, relays, heir } = known;
  const heirs = heir ? { [scene.cohort]: heir } : {};
  wallet.feed({ type: 'companion_restore', key: xOnly(OWNER), companion, pairing, relays, heirs });
  return wallet;
}

/** A DID by what a file, or a companion, keeps of it. */
export function putDid(wallet: Wallet, { did, secret, document, genesis }: Owned, sidecar: object): void {
  const made = versionsOf(did, document, (sidecar as { updates: unknown[] }).updates);
  const about = { did, name: null, network: 'regtest' as const, public_key: publicHex(secret), genesis };
  expect(wallet.feed({ type: 'restore_did', ...about, ...made }).refused).toBeNull();
}

function putCohort({ scene }: Pick<Paired, 'scene'>, wallet: Wallet, part: RecoveryCohort): void {
  const { advert } = scene.offer;
  const { participant_pk, beacon_address, participant_pubkeys, dids, transport, companion } = part;
  const outcome = wallet.feed({
    type: 'restore_cohort',
    cohort: advert.cohort,
    advert_event: part.advert_event,
    terms: advert.terms,
    terms_hash: advert.terms_hash,
    identity: advert.identity,
    relays: companion!.relays,
    transport,
    companion: companion!.companion,
    participant_pk,
    beacon: { participant_pubkeys, beacon_address, script_hex: '' },
    dids,
  });
  expect(outcome.refused).toBeNull();
}
