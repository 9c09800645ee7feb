import { expect } from 'vitest';
import { agreedFees, buildSignal, parseTx, refundsOf } from '../../../src/bitcoin/index.ts';
import { judgeTranscript, type Transcript } from '../../../src/blame/index.ts';
import type { ChainView } from '../../../src/cohort/index.ts';
import { fromHex } from '../../../src/crypto/index.ts';
import type { DidDocument } from '../../../src/did/index.ts';
import type { Body, Envelope, Message, Terms } from '../../../src/messages/index.ts';
import type { MemberSession } from '../../../src/wallet/state.ts';
import { type Controller, draw, drawHex } from '../../cohort/members.ts';
import { drafted, mine, ready, register, type Scene } from '../../wallet/core/driver.ts';
import { sealed, updateState, type Wallet } from '../../wallet/core/wallet.ts';

/** A DID of a member, with the document that its next update is made for. */
interface Owned {
  wallet: Wallet;
  controller: Controller;
  document: DidDocument;
  version: number;
}

/** One cohort of three that lives through several sessions, each of them spoilt in one way. */
export interface Stage extends Scene {
  owned: Owned[];
  /** Every envelope that ever went up or down, as it was before anybody tampered with it. */
  history: Envelope[];
  sessions: number;
}

/** Stands between members and aggregator, with the keys of whoever misbehaves. */
export interface Tamper {
  /** What arrives instead of an envelope of a member. */
  up?: (envelope: Envelope, from: Wallet) => Envelope[];
  /** What arrives instead of an envelope of the aggregator. */
  down?: (envelope: Envelope, to: Wallet) => Envelope[];
  /** After every wait: what is added. */
  later?: () => void;
}

/** Members' mail is carried in the order of this list: a rushing adversary speaks last. */
export type Order = (wallets: readonly Wallet[]) => Wallet[];

export function newStage(terms: Partial<Terms> = {}, names = ['ada', 'bob', 'eve']): Stage {
  const scene = ready({ frequency: { interval: 86_400, min_interval: 0, pending_updates: 1 }, ...terms }, names, {
    deposit: 1_000_000,
    quick: true,
  });
  const owned = scene.wallets.map((wallet, i) => {
    const controller = register(scene, wallet, `did ${i}`);
    return { wallet, controller, document: controller.document, version: 1 };
  });
  return { ...scene, owned, history: [], sessions: 0 };
}

/** Carries everything both ways, through the hands of whoever tampers, until nobody has anything to say. */
export function carry(stage: Stage, tamper: Tamper = {}, order: Order = wallets => [...wallets]): void {
  const { aggregator, wallets, history } = stage;
  for (let round = 0; ; round++) {
    expect(round).toBeLessThan(200);
    const down = aggregator.mail.splice(0);
    const up = order(wallets).flatMap(wallet => wallet.mail.splice(0).map(envelope => ({ wallet, envelope })));
    if (down.length + up.length === 0) return;
    history.push(...down, ...up.map(({ envelope }) => envelope));
    for (const envelope of down) {
      const to = wallets.find(wallet => wallet.membership(stage.cohort).transport === envelope.to);
      if (to) for (const each of tamper.down?.(envelope, to) ?? [envelope]) to.receive(each);
    }
    for (const { wallet, envelope } of up)
      for (const each of tamper.up?.(envelope, wallet) ?? [envelope]) aggregator.receive(each);
  }
}

/** A message by the transport key of a member. */
export const saidBy = (stage: Stage, wallet: Wallet, message: Message, session?: string): Envelope =>
  sealed(
    { secret: draw(`transport key of ${wallet.name} in ${stage.cohort}`) },
    {
      message,
      to: stage.aggregator.advert.terms.transport_key,
      cohort: stage.cohort,
      seq: 1_000_000 + stage.history.length,
      created_at: stage.world.now,
      ...(session === undefined ? {} : { session }),
    },
  );

/** A message by the aggregator's transport key. */
export const toldBy = (stage: Stage, to: Wallet, message: Message, session?: string): Envelope =>
  sealed(
    { secret: stage.aggregator.transportSecret },
    {
      message,
      to: to.membership(stage.cohort).transport,
      cohort: stage.cohort,
      seq: 1_000_000 + stage.history.length,
      created_at: stage.world.now,
      ...(session === undefined ? {} : { session }),
    },
  );

/** The same body by the same sender in another envelope, with some fields changed. */
export const again = (stage: Stage, wallet: Wallet, envelope: Envelope, changes: object = {}): Envelope =>
  saidBy(stage, wallet, { type: envelope.type, body: { ...envelope.body, ...changes } } as Message, envelope.session);

export const retold = (stage: Stage, to: Wallet, envelope: Envelope, changes: object = {}): Envelope =>
  toldBy(stage, to, { type: envelope.type, body: { ...envelope.body, ...changes } } as Message, envelope.session);

/** What the aggregator said of one session. */
export interface Told {
  aborts: Body<'round_aborted'>[];
  kept: Transcript[];
}

/** What the aggregator has said and kept from now on, whenever it is asked. */
export function toldSince({ history, aggregator }: Stage): () => Told {
  const since = { told: history.length, kept: aggregator.kept.length };
  return () => ({
    aborts: unique(history.slice(since.told).flatMap(each => (each.type === 'round_aborted' ? [each.body] : []))),
    kept: aggregator.kept.slice(since.kept),
  });
}

/** Somebody's update starts a round; it is spoilt for a while; then everybody is honest until it is final. */
export async function playSession(
  stage: Stage,
  owner: number,
  tamper: Tamper,
  order?: Order,
): Promise<{ spoilt: Told; whole: Told; retries: number }> {
  const { aggregator, world } = stage;
  const owned = stage.owned[owner]!;
  const { wallet, controller } = owned;
  const told = toldSince(stage);
  const made = await drafted(controller, `update ${++stage.sessions}`, {
    document: owned.document,
    version: owned.version,
  });
  wallet.submit(controller, made.update, made.document, [stage.cohort]);
  carry(stage, tamper, order);
  // Through every deadline of one attempt: presence, nonces, signatures.
  for (const seconds of [30, 30, 300, 300, 300, 300]) {
    if (aggregator.beacon.round?.stage.name === 'announced') break;
    if (aggregator.beacon.round === null && told().aborts.length > 0) break;
    if (aggregator.beacon.round?.stage.name === 'waiting') break;
    world.now += seconds;
    aggregator.advance();
    carry(stage, tamper, order);
  }
  tamper.later?.();
  carry(stage, tamper, order);
  const spoilt = told();
  let retries = 0;
  const isDone = () => updateState(wallet, controller.did, owned.version + 1).includes('final');
  for (; !isDone() && retries < 14; retries++) {
    if (aggregator.beacon.round?.stage.name === 'announced') mine(stage, 6);
    else {
      world.now += 3_600;
      aggregator.advance();
    }
    carry(stage);
    for (const each of stage.wallets) each.look(stage.cohort);
    carry(stage);
  }
  expect(isDone()).toBe(true);
  owned.document = made.document;
  owned.version += 1;
  return { spoilt, whole: told(), retries };
}

const unique = <T>(values: T[]): T[] => [...new Map(values.map(value => [JSON.stringify(value), value])).values()];

/** Blame, in order of its telling: nobody twice. */
export const blamed = ({ aborts }: Told): string[] => [...new Set(aborts.flatMap(abort => abort.blame))];

/**
 * What must hold whatever anybody did: checked over all that the wallets ever sent. No public nonce has two signatures,
 * no session two answers; what was signed is what the chain and the rules make; one outpoint, one set of signal bytes;
 * one version of a DID, one update; and every kept transcript convicts whom it names.
 */
export function expectSound(stage: Stage): void {
  const { wallets, cohort, world, aggregator } = stage;
  const truth = world.chain.view(aggregator.script);
  const perOutpoint = new Map<string, string>();
  for (const wallet of wallets) {
    const nonces = new Map<string, string>();
    const signed = new Map<string, string>();
    const owners = new Map<string, string>();
    const leaves = new Map<string, string>();
    for (const { type, body } of wallet.sent) {
      if (type === 'nonce') {
        once(nonces, body.session_id, body.nonce_points);
        once(owners, JSON.stringify(body.nonce_points), body.session_id);
        expectRebuilt(wallet.beacon(cohort).sessions.get(body.session_id)!, stage, truth);
      }
      if (type !== 'signal_authorization' && type !== 'fallback_signature') continue;
      if (type === 'signal_authorization') once(signed, body.session_id, [body.agg_nonce, body.sig]);
      else once(leaves, body.session_id, [body.txids, body.sig]);
      expect(nonces.has(body.session_id)).toBe(true);
      const { outpoint, signal_bytes, purpose } = wallet.beacon(cohort).sessions.get(body.session_id)!;
      // What announces nothing may stand beside a signal of its outpoint.
      if (purpose === undefined) once(perOutpoint, `${outpoint.txid}:${outpoint.vout}`, signal_bytes);
    }
    for (const { updates } of wallet.state.dids.values())
      for (const version of new Set(updates.map(update => update.version))) {
        const bound = updates.filter(
          update => update.version === version && ['locked', 'broadcast', 'final', 'returned'].includes(update.state),
        );
        expect(bound.length).toBeLessThanOrEqual(1);
      }
  }
  for (const transcript of aggregator.kept)
    expect(judgeTranscript(transcript)).toMatchObject({ shown: true, participant_pk: transcript.participant_pk });
}

/** A nonce leaves only for what rules and chain make: built here once more, with the value that was really paid. */
function expectRebuilt(session: MemberSession, { aggregator }: Stage, truth: ChainView): void {
  const { outpoint, signal_bytes, steps, refunds = [], purpose } = session;
  if (purpose !== undefined) {
    expectPlain(session, aggregator, truth);
    return;
  }
  const funding = truth.history.find(tx => tx.txid === outpoint.txid);
  const value_sats = funding && parseTx(funding.hex).outputs[outpoint.vout]?.value_sats;
  expect(value_sats).toBeDefined();
  const { terms } = aggregator.advert;
  const fees = agreedFees(terms, steps[0]!.fee_sats);
  const rebuilt = fees.map(feeSats =>
    buildSignal({
      prevout: { ...outpoint, value_sats: value_sats! },
      scriptHex: aggregator.script,
      signalBytes: fromHex(signal_bytes),
      feeSats,
    }),
  );
  const hexes = rebuilt.map(({ unsignedHex }) => unsignedHex);
  expect(steps.map(step => step.unsigned_hex)).toEqual(hexes);
  expect(Math.max(...fees)).toBeLessThanOrEqual(terms.fee_cap);
  expect(refunds).toEqual(refundsOf(terms, aggregator.script, hexes));
}

/** A spend without a word: one output, to where it may go, with its delay, and a fee under the cap. */
function expectPlain(
  { outpoint, steps, purpose }: MemberSession,
  { advert, script }: Stage['aggregator'],
  truth: ChainView,
): void {
  const { terms } = advert;
  const { inputs, outputs } = parseTx(steps[0]!.unsigned_hex);
  const to = purpose === 'cancel' ? script : purpose === 'move' ? MOVED_TO : '0014'.padEnd(44, '0');
  expect(outputs.map(({ script_hex }) => script_hex)).toEqual([to]);
  expect(inputs).toMatchObject([{ txid: outpoint.txid, vout: outpoint.vout }]);
  const fee = outpoint.value_sats - outputs[0]!.value_sats;
  expect(fee).toBeGreaterThan(0);
  expect(fee).toBeLessThanOrEqual(terms.fee_cap);
  if (purpose === 'refund') expect(inputs[0]!.sequence).toBe(terms.refund!.delay_blocks);
  else {
    const funding = truth.history.find(tx => tx.txid === outpoint.txid)!;
    expect(parseTx(funding.hex).outputs[outpoint.vout]!.value_sats).toBe(outpoint.value_sats);
  }
}

/** Where the members of every stage agree to move their money. */
export const MOVED_TO = `5120${drawHex('the next beacon')}`;

function once(known: Map<string, string>, key: string, value: unknown): void {
  const text = JSON.stringify(value);
  expect(known.get(key) ?? text).toBe(text);
  known.set(key, text);
}
