import { expect } from 'vitest';
import { aggregate } from '../../../src/beacon/index.ts';
import { buildSignal } from '../../../src/bitcoin/index.ts';
import { toHex } from '../../../src/crypto/index.ts';
import type { Body, Terms } from '../../../src/messages/index.ts';
import { leafIndex } from '../../../src/smt/index.ts';
import { type Controller, drawHex, newController } from '../../cohort/members.ts';
import { drafted, type Made } from './driver.ts';
import { hashOf, type Lied, lied } from './given.ts';
import { resealed } from './liar.ts';
import { sentOf } from './wallet.ts';

type RequestBody = Body<'authorize_beacon_signal_request'>;
export type Leaves = Record<string, string>;

export const BLINDED: Partial<Terms> = {
  flow: 'pull',
  privacy: 'blinded',
  frequency: { interval: 86_400, min_interval: 0, pending_updates: 1 },
};
export const indexOf = (did: string): string => toHex(leafIndex(did));
export const OTHER = 'did:btcr2:of-the-other-member';

export const blinded = (): Lied => lied(BLINDED);

/** The wallet registers a DID by its index. */
export function held({ wallet, liar }: Lied, name: string): Controller {
  const controller = newController(name);
  const { did } = controller;
  if (!wallet.state.dids.has(did)) wallet.addDid(controller);
  const [asked] = wallet.register(liar.cohort, controller).sent;
  liar.say(
    {
      type: 'ack',
      body: { accepted: 'did_registration', did: indexOf(did), index: indexOf(did), proven: false, signals: [] },
    },
    { in_reply_to: asked!.id },
  );
  expect(wallet.beacon(liar.cohort).registrations.get(did)?.name).toBe('held');
  return controller;
}

export async function submitted(
  { wallet, liar }: Lied,
  controller: Controller,
  label: string,
  from?: Made,
  version = 1,
) {
  const made = await drafted(controller, label, { ...(from ? { document: from.document } : {}), version });
  expect(wallet.submit(controller, made.update, made.document, [liar.cohort]).sent).toEqual([]);
  return { ...made, announcement: hashOf(made) };
}

export const opportunity = ({ liar }: Lied, label: string) =>
  ({
    type: 'update_opportunity',
    body: {
      beacon_address: liar.address,
      round: 1,
      attempt: 1,
      opportunity_id: drawHex(label),
      deadline: 2_000_000_000,
    },
  }) as const;

/** Asks, and gives the wallet's leaves by index. */
export function answered(given: Lied, label: string): Leaves {
  const [response] = sentOf(given.liar.say(opportunity(given, label)), 'update_response');
  expect(response?.opportunity_id).toBe(drawHex(label));
  return Object.fromEntries(
    response!.entries.map(entry => ['leaf' in entry ? entry.did : '', 'leaf' in entry ? entry.leaf : '']),
  );
}

/** A request for a tree of these leaves, with the proofs of some DIDs. */
export function request(
  given: Lied,
  label: string | undefined,
  leaves: Leaves,
  shown: string[],
  changes: Partial<RequestBody> = {},
): RequestBody {
  const { liar, outpoint } = given;
  const entries = Object.entries({ ...leaves, [indexOf(OTHER)]: drawHex('their leaf') });
  const tree = aggregate(
    'SMTBeacon',
    entries.map(([index, leaf]) => ({ index, leaf })),
    { bitOrder: 'spec' },
  );
  const { psbt } = buildSignal({
    prevout: outpoint,
    scriptHex: liar.script,
    signalBytes: tree.signalBytes,
    feeSats: 308,
    signalOutput: 'last',
  });
  return resealed(liar, {
    session_id: drawHex('set below'),
    beacon_address: liar.address,
    round: 1,
    attempt: 1,
    signal_bytes: toHex(tree.signalBytes),
    pending_beacon_signal: [psbt],
    evidence: tree.evidenceFor(shown.map(indexOf)),
    ...(label === undefined ? {} : { opportunity_id: drawHex(label) }),
    ...changes,
  });
}
