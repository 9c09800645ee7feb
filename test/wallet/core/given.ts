import { toHex } from '../../../src/crypto/index.ts';
import { announcementOf } from '../../../src/did/index.ts';
import type { Body, Terms } from '../../../src/messages/index.ts';
import { type Controller, newController } from '../../cohort/members.ts';
import { drafted, type Made, newWorld, newXController } from './driver.ts';
import { type Liar, newLiar, type Outpoint } from './liar.ts';
import { newWallet, type Outcome, sentOf, type Wallet, type World } from './wallet.ts';

type RequestBody = Body<'authorize_beacon_signal_request'>;

/** A wallet in the cohort of a liar, with money on the beacon. */
export interface Lied {
  world: World;
  wallet: Wallet;
  liar: Liar;
  outpoint: Outpoint;
}

export function lied(changes: Partial<Terms> = {}, name = 'liar'): Lied {
  const world = newWorld();
  const wallet = newWallet(world, 'ada');
  const liar = newLiar(world, wallet, name, changes);
  liar.form();
  return { world, wallet, liar, outpoint: liar.deposit() };
}

export function held({ wallet, liar }: Pick<Lied, 'wallet' | 'liar'>, name: string): Controller {
  const controller = newController(name);
  if (!wallet.state.dids.has(controller.did)) wallet.addDid(controller);
  wallet.register(liar.cohort, controller);
  liar.registered(controller.did);
  return controller;
}

export const hashOf = ({ update }: Made): string => toHex(announcementOf(update));

/** Sent to the liar's cohort, and acknowledged. */
export async function submitted(
  { wallet, liar }: Pick<Lied, 'wallet' | 'liar'>,
  controller: Controller,
  label: string,
): Promise<Made & { announcement: string }> {
  const made = await drafted(controller, label);
  wallet.submit(controller, made.update, made.document, [liar.cohort]);
  const announcement = hashOf(made);
  liar.acked(controller.did, announcement);
  return { ...made, announcement };
}

/**
 * Three own DIDs that the beacon concerns: `one` is registered and has an update, `two` is registered and has none,
 * `draft` is not registered, but its first document lists the beacon.
 */
export async function threeDids(changes: Partial<Terms> = {}) {
  const given = lied(changes);
  const { wallet, liar, outpoint } = given;
  const one = held(given, 'one');
  const two = held(given, 'two');
  const draft = newXController('draft', liar.terms.type, liar.address);
  wallet.addDid(draft);
  const update = await submitted(given, one, 'first');
  const parts = {
    updates: { [one.did]: update.announcement },
    leaves: [one.did, two.did],
    shown: [one.did, two.did, draft.did],
    outpoint,
  };
  return { ...given, one, two, draft, update, parts, good: liar.request(parts) };
}

export interface Signed {
  outcome: Outcome;
  nonce: Body<'nonce'>;
  agg: ReturnType<Liar['aggregated']>;
  authorization: Body<'signal_authorization'>;
}

/** The whole ceremony: the wallet checks, sends its nonce, and signs. */
export function sign({ liar }: Pick<Lied, 'liar'>, body: RequestBody): Signed {
  const [nonce] = sentOf(liar.ask(body), 'nonce');
  const agg = liar.aggregated(body, ...nonce!.nonce_points);
  const outcome = liar.say(agg);
  const [authorization] = sentOf(outcome, 'signal_authorization');
  return { outcome, nonce: nonce!, agg, authorization: authorization! };
}

/** One DID, registered in two cohorts of two liars. */
export function twoCohorts() {
  const world = newWorld();
  const wallet = newWallet(world, 'ada');
  const side = (name: string): Lied => {
    const liar = newLiar(world, wallet, name);
    liar.form();
    return { world, wallet, liar, outpoint: liar.deposit() };
  };
  const [left, right] = [side('left'), side('right')];
  const one = held(left, 'one');
  held(right, 'one');
  return { world, wallet, left, right, one };
}
