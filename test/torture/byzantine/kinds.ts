import { curve } from '#curve';
import { createMusig, finalizeSignal, readSignalPsbt, signalSighash } from '../../../src/bitcoin/index.ts';
import type { Fault } from '../../../src/blame/index.ts';
import { concatBytes, fromHex, toHex } from '../../../src/crypto/index.ts';
import type { AbortReason, Body, Envelope, Message, SpendPurpose } from '../../../src/messages/index.ts';
import { optInStatement, policyFor, rebindStatement } from '../../../src/messages/index.ts';
import type { VetoCode } from '../../../src/wallet/core.ts';
import { draw, drawHex, publicHex, schnorr } from '../../cohort/members.ts';
import { withTx } from '../../wallet/core/forge.ts';
import { resealed } from '../../wallet/core/liar.ts';
import { somePoint, type Wallet } from '../../wallet/core/wallet.ts';
import { again, retold, type Stage, saidBy, type Tamper, toldBy } from './scene.ts';

/** Who misbehaves, and with what luck. */
export interface Cast {
  stage: Stage;
  culprit: Wallet;
  others: Wallet[];
  /** A number from 0, below `limit`. */
  upTo: (limit: number) => number;
  /** Made anew for every session. */
  label: string;
}

/** How the spoilt attempt must end, and who must be said to have spoilt it. */
export interface Expected {
  /** Reason of the first abort; null if the round completes; `any` where it depends on who was hit. */
  ends: AbortReason | null | 'any';
  blamed: boolean;
  /** Reported as not heard, alone. */
  notHeard: boolean;
  /** What the kept transcripts show, of the culprit. */
  kept: Fault[];
  /** Codes of the vetoes that the one who was lied to answers with, as it is told so by its own log. */
  vetoes?: VetoCode[];
}

export interface Kind {
  name: string;
  by: 'member' | 'aggregator' | 'nobody';
  expected: Expected;
  /** Set where what is spoilt is a spend that announces nothing. */
  purpose?: SpendPurpose;
  make: (cast: Cast) => Tamper;
}

type NonceBody = Body<'nonce'>;
type Points = NonceBody['nonce_points'];
type Authorization = Body<'signal_authorization'>;
export type Of<T extends Envelope['type']> = Extract<Envelope, { type: T }>;

export const fine: Expected = { ends: null, blamed: false, notHeard: false, kept: [] };
export const unheard: Expected = { ...fine, ends: 'not_heard', notHeard: true };
export const badNonce: Expected = { ...fine, ends: 'invalid_nonce', blamed: true, kept: ['invalid_nonce'] };
export const badSignature: Expected = { ...fine, ends: 'invalid_signature', blamed: true, kept: ['invalid_signature'] };
export const vetoed: Expected = { ...fine, ends: 'veto' };
const whatever: Expected = { ...fine, ends: 'any' };

export const member = (name: string, expected: Expected, make: Kind['make']): Kind => ({
  name,
  by: 'member',
  expected,
  make,
});
export const liar = (name: string, make: Kind['make'], expected: Expected = whatever): Kind => ({
  name: `aggregator: ${name}`,
  by: 'aggregator',
  expected,
  make,
});

/** Tampers with one type of the culprit's messages. */
export const on =
  <T extends Envelope['type']>(type: T, change: (envelope: Of<T>, cast: Cast) => Envelope[]) =>
  (cast: Cast): Tamper => ({
    up: (envelope, from) =>
      from === cast.culprit && envelope.type === type ? change(envelope as Of<T>, cast) : [envelope],
  });

export const withPoints = (
  name: string,
  expected: Expected,
  points: (own: Points, cast: Cast, session: string) => Points,
) =>
  member(
    `nonce: ${name}`,
    expected,
    on('nonce', (envelope, cast) => [
      again(cast.stage, cast.culprit, envelope, {
        nonce_points: points(envelope.body.nonce_points, cast, envelope.body.session_id),
      }),
    ]),
  );

export const withSig = (name: string, expected: Expected, sig: (own: Authorization, cast: Cast) => object) =>
  member(
    `signature: ${name}`,
    expected,
    on('signal_authorization', (envelope, cast) => [
      again(cast.stage, cast.culprit, envelope, sig(envelope.body, cast)),
    ]),
  );

export const OFF = `02${'0'.repeat(63)}5`;
const ORDER = BigInt('0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141');
export const scalar = (value: bigint): string => (((value % ORDER) + ORDER) % ORDER).toString(16).padStart(64, '0');
export const number = (hex: string): bigint => BigInt(`0x${hex}`);
const negated = (hex: string): string => toHex(curve.pointCompress(curve.pointNegate(fromHex(hex)), true));
const randomPair = ({ label }: Cast, more = ''): [string, string] => [
  somePoint(`${label} one ${more}`),
  somePoint(`${label} two ${more}`),
];

/** What somebody said of this type before, newest first. */
export const earlier = <T extends Envelope['type']>({ stage }: Cast, type: T, by: readonly Wallet[]): Of<T>[] =>
  stage.history
    .filter(
      (each): each is Of<T> =>
        each.type === type && by.some(wallet => wallet.membership(stage.cohort).transport === each.from),
    )
    .toReversed();

const othersNonce = (cast: Cast, session: string): [string, string] =>
  earlier(cast, 'nonce', cast.others).find(each => each.body.session_id === session)?.body.nonce_points[0] ??
  randomPair(cast);

/** Faults 4–6, 13–19, 35b, 38 and 55–62, as far as they reach the cores. */
const MEMBERS: Kind[] = [
  withPoints('first point off the curve', badNonce, ([pair]) => [[OFF, pair![1]]]),
  withPoints('second point off the curve', badNonce, ([pair]) => [[pair![0], OFF]]),
  withPoints('infinity', badNonce, () => [['00'.repeat(33), '00'.repeat(33)]]),
  withPoints('half infinity', badNonce, ([pair]) => [['00'.repeat(33), pair![1]]]),
  withPoints('x above the field', badNonce, ([pair]) => [[`02${'f'.repeat(64)}`, pair![1]]]),
  withPoints('another prefix', badNonce, ([pair]) => [[`05${pair![0].slice(2)}`, pair![1]]]),
  withPoints("another member's", badSignature, (_, cast, session) => [othersNonce(cast, session)]),
  withPoints('the negation of another member’s', badSignature, (_, cast, session) => [
    othersNonce(cast, session).map(negated) as [string, string],
  ]),
  withPoints('half the negation of another member’s', badSignature, ([own], cast, session) => [
    [negated(othersNonce(cast, session)[0]), own![1]],
  ]),
  withPoints('points that nobody has the secrets of', badSignature, (_, cast) => [randomPair(cast)]),
  withPoints('of an older session', badSignature, (_, cast, session) => [
    earlier(cast, 'nonce', [cast.culprit]).find(each => each.body.session_id !== session)?.body.nonce_points[0] ??
      randomPair(cast),
  ]),
  withPoints('the two points exchanged', badSignature, ([pair]) => [[pair![1], pair![0]]]),
  withPoints('a pair too many', unheard, ([pair]) => [pair!, pair!]),
  member(
    'nonce: for a session that is none',
    unheard,
    on('nonce', (envelope, cast) => [again(cast.stage, cast.culprit, envelope, { session_id: drawHex(cast.label) })]),
  ),
  member(
    'nonce: for another beacon',
    unheard,
    on('nonce', (envelope, cast) => [
      again(cast.stage, cast.culprit, envelope, { beacon_address: 'bcrt1qother0000000000' }),
    ]),
  ),
  member(
    'nonce: never sent',
    unheard,
    on('nonce', () => []),
  ),
  member(
    'nonce: the envelope of an older session again',
    unheard,
    on('nonce', (envelope, cast) =>
      earlier(cast, 'nonce', [cast.culprit])
        .filter(each => each.body.session_id !== envelope.body.session_id)
        .slice(0, 1),
    ),
  ),
  member('nonce: after the deadline', unheard, cast => {
    const held: Envelope[] = [];
    return {
      ...on('nonce', envelope => {
        held.push(envelope);
        return [];
      })(cast),
      later: () => {
        for (const envelope of held) cast.stage.aggregator.receive(envelope);
      },
    };
  }),
  member(
    'two nonces: the good one first',
    { ...fine, kept: ['two_nonces'] },
    on('nonce', (envelope, cast) => [
      envelope,
      again(cast.stage, cast.culprit, envelope, { nonce_points: [randomPair(cast)] }),
    ]),
  ),
  member(
    'two nonces: the bad one first',
    { ...badSignature, kept: ['two_nonces', 'invalid_signature'] },
    on('nonce', (envelope, cast) => [
      again(cast.stage, cast.culprit, envelope, { nonce_points: [randomPair(cast)] }),
      envelope,
    ]),
  ),
  member(
    'many nonces: one transcript',
    { ...fine, kept: ['two_nonces'] },
    on('nonce', (envelope, cast) => [
      envelope,
      ...[1, 2, 3, 4].map(i => again(cast.stage, cast.culprit, envelope, { nonce_points: [randomPair(cast, `${i}`)] })),
    ]),
  ),
  withSig('any scalar', badSignature, (_, { label }) => ({ sig: [scalar(number(drawHex(label)))] })),
  withSig('zero', badSignature, () => ({ sig: ['00'.repeat(32)] })),
  withSig('the group order', badSignature, () => ({ sig: [ORDER.toString(16)] })),
  withSig('the largest number', badSignature, () => ({ sig: ['ff'.repeat(32)] })),
  withSig('one more', badSignature, ({ sig }) => ({ sig: [scalar(number(sig[0]!) + 1n)] })),
  withSig('negated', badSignature, ({ sig }) => ({ sig: [scalar(-number(sig[0]!))] })),
  withSig('the order added, where it fits, else one less', badSignature, ({ sig }) => {
    const more = (number(sig[0]!) + ORDER).toString(16);
    return { sig: [more.length === 64 ? more : scalar(number(sig[0]!) - 1n)] };
  }),
  withSig("another member's", badSignature, ({ session_id }, cast) => ({
    sig: earlier(cast, 'signal_authorization', cast.others).find(each => each.body.session_id === session_id)?.body
      .sig ?? ['ab'.repeat(32)],
  })),
  withSig('of an older session', badSignature, ({ session_id }, cast) => ({
    sig: earlier(cast, 'signal_authorization', [cast.culprit]).find(each => each.body.session_id !== session_id)?.body
      .sig ?? ['ab'.repeat(32)],
  })),
  withSig('under another aggregated nonce', unheard, (_, cast) => ({ agg_nonce: [randomPair(cast)] })),
  withSig('under infinity', unheard, () => ({ agg_nonce: [['00'.repeat(33), '00'.repeat(33)]] })),
  withSig('one too many', unheard, ({ sig }) => ({ sig: [sig[0]!, sig[0]!] })),
  withSig('for another beacon', unheard, () => ({ beacon_address: 'bcrt1qother0000000000' })),
  withSig('for a session that is none', unheard, (_, { label }) => ({ session_id: drawHex(label) })),
  member(
    'signature: the envelope of an older session again',
    unheard,
    on('signal_authorization', (envelope, cast) =>
      earlier(cast, 'signal_authorization', [cast.culprit])
        .filter(each => each.body.session_id !== envelope.body.session_id)
        .slice(0, 1),
    ),
  ),
  member(
    'signature: never sent',
    unheard,
    on('signal_authorization', () => []),
  ),
  member('signature: after the deadline, and welcome', unheard, cast => {
    const held: Envelope[] = [];
    return {
      ...on('signal_authorization', envelope => {
        held.push(envelope);
        return [];
      })(cast),
      later: () => {
        for (const envelope of held) cast.stage.aggregator.receive(envelope);
      },
    };
  }),
  member(
    'two signatures: the good one first',
    { ...fine, kept: ['two_authorizations'] },
    on('signal_authorization', (envelope, cast) => [
      envelope,
      again(cast.stage, cast.culprit, envelope, { sig: [drawHex(cast.label)] }),
    ]),
  ),
  member(
    'two signatures: the bad one first',
    badSignature,
    on('signal_authorization', (envelope, cast) => [
      again(cast.stage, cast.culprit, envelope, { sig: ['ab'.repeat(32)] }),
      envelope,
    ]),
  ),
  member(
    'presence: never said',
    unheard,
    on('presence_ack', () => []),
  ),
  member(
    'presence: of another round',
    unheard,
    on('presence_ack', (envelope, cast) => [
      again(cast.stage, cast.culprit, envelope, { round: envelope.body.round + 1 }),
    ]),
  ),
  member(
    'veto in place of a nonce',
    vetoed,
    on('nonce', ({ body: { session_id } }, { stage, culprit }) => [
      saidBy(stage, culprit, { type: 'veto', body: { session_id, code: 'mood', text: 'no' } }),
    ]),
  ),
  member(
    'veto in place of a signature',
    vetoed,
    on('signal_authorization', ({ body: { session_id } }, { stage, culprit }) => [
      saidBy(stage, culprit, { type: 'veto', body: { session_id, code: 'mood', text: 'no' } }),
    ]),
  ),
  member(
    'nonce_lost in place of a nonce',
    { ...fine, ends: 'nonce_lost' },
    on('nonce', ({ body: { session_id } }, { stage, culprit }) => [
      saidBy(stage, culprit, { type: 'nonce_lost', body: { session_id } }),
    ]),
  ),
  member(
    'nonce_lost in place of a signature',
    { ...fine, ends: 'nonce_lost' },
    on('signal_authorization', ({ body: { session_id } }, { stage, culprit }) => [
      saidBy(stage, culprit, { type: 'nonce_lost', body: { session_id } }),
    ]),
  ),
  member(
    'nonce_lost behind a signature',
    fine,
    on('signal_authorization', (envelope, { stage, culprit }) => [
      envelope,
      saidBy(stage, culprit, { type: 'nonce_lost', body: { session_id: envelope.body.session_id } }),
    ]),
  ),
  member('all of it three times, in new envelopes', fine, ({ stage, culprit }) => ({
    up: (envelope, from) =>
      from === culprit ? [envelope, again(stage, from, envelope), again(stage, from, envelope)] : [envelope],
  })),
  member('all of it twice, as it is', fine, ({ culprit }) => ({
    up: (envelope, from) => (from === culprit ? [envelope, envelope] : [envelope]),
  })),
  member('everybody’s older messages before each of the own', fine, cast => ({
    up: (envelope, from) => {
      if (from !== cast.culprit) return [envelope];
      const types = ['presence_ack', 'nonce', 'signal_authorization', 'veto', 'nonce_lost'] as const;
      const old = types.flatMap(type => earlier(cast, type, cast.stage.wallets).slice(0, 6));
      return [...old.filter(each => each.id !== envelope.id && each.created_at < envelope.created_at), envelope];
    },
  })),
  member('the others’ messages, carried once more', fine, ({ culprit }) => {
    const seen: Envelope[] = [];
    return {
      up: (envelope, from) => {
        if (from !== culprit) {
          seen.push(envelope);
          return [envelope];
        }
        return [...seen, envelope];
      },
    };
  }),
  member('messages that are the aggregator’s to send', fine, ({ stage, culprit, label }) => ({
    up: (envelope, from) => {
      if (from !== culprit) return [envelope];
      const session = { session_id: drawHex(label), beacon_address: stage.aggregator.beacon.address };
      return [
        saidBy(stage, from, { type: 'aggregated_nonce', body: { ...session, agg_nonce: [[OFF, OFF]] } }),
        saidBy(stage, from, {
          type: 'round_aborted',
          body: {
            session_id: null,
            round: 1,
            attempt: 1,
            reason: 'cancelled',
            text: 'over',
            open: false,
            blame: [],
            not_heard: [],
            evidence: [],
          },
        }),
        envelope,
      ];
    },
  })),
  member('another member’s DID and seat', fine, ({ stage, culprit, others }) => ({
    up: (envelope, from) => {
      if (from !== culprit || envelope.type !== 'presence_ack') return [envelope];
      const { cohort, aggregator } = stage;
      const [victim] = others;
      const theirs = stage.owned.find(({ wallet }) => wallet === victim)!.controller;
      const participant_pk = culprit.membership(cohort).participant_pk;
      const beacon_address = aggregator.beacon.address;
      const stolen = victim!.membership(cohort).participant_pk;
      const transport_key = culprit.membership(cohort).transport;
      const statement = rebindStatement({ cohort, participant_pk: stolen, transport_key, counter: 99 });
      const say = (message: Message): Envelope => saidBy(stage, culprit, message);
      const proof = { verification_method: theirs.method, sig: '11'.repeat(64) };
      return [
        say({ type: 'did_registration', body: { beacon_address, participant_pk, did: theirs.did, proof } }),
        say({
          type: 'did_update',
          body: { beacon_address, participant_pk, did: theirs.did, announcement: drawHex('x'), target_version_id: 2 },
        }),
        say({ type: 'proof_request', body: { beacon_address, did: theirs.did } }),
        say({ type: 'leave', body: { participant_pk: stolen, reason: 'theirs' } }),
        say({ type: 'leave', body: { participant_pk, reason: 'mine' } }),
        say({
          type: 'rebind',
          body: { participant_pk: stolen, transport_key, counter: 99, sig: schnorr(statement, draw('thief')) },
        }),
        ...[publicHex(draw('a second key')), stolen, OFF].map(key => say(optInBy(stage, culprit, key))),
        envelope,
      ];
    },
  })),
];

/** Another seat for the same transport key, or for a key that is taken or none (faults 13, 14, 15). */
function optInBy({ aggregator, cohort }: Stage, culprit: Wallet, participant_pubkey: string): Message {
  const { identity: aggregator_key, terms, terms_hash } = aggregator.advert;
  const { transport: transport_key } = culprit.membership(cohort);
  const statement = optInStatement({
    aggregator: aggregator_key,
    network: terms.btc_network,
    terms_hash,
    transport_key,
  });
  return {
    type: 'opt_in',
    body: {
      advert_id: terms.id,
      terms_hash,
      participant_pubkey,
      return_interact: 'by hand',
      proof: schnorr(statement, draw('a second key')),
    },
  };
}

const pairs = (cast: Cast, count: number): Points => Array.from({ length: count }, (_, i) => randomPair(cast, `${i}`));

/** Tampers with one type of what the aggregator sends to one member. */
export const to =
  <T extends Envelope['type']>(type: T, change: (envelope: Of<T>, cast: Cast) => Envelope[]) =>
  (cast: Cast): Tamper => ({
    down: (envelope, wallet) =>
      wallet === cast.culprit && envelope.type === type ? change(envelope as Of<T>, cast) : [envelope],
  });

const requestWith = (name: string, change: Parameters<typeof withTx>[1]): Kind =>
  liar(
    `request: ${name}`,
    cast => {
      const { stage, culprit } = cast;
      const asked: string[] = [];
      return {
        ...to('authorize_beacon_signal_request', envelope => {
          const keys = stage.aggregator.beacon.participant_pubkeys;
          const body = resealed({ cohort: stage.cohort, keys }, withTx(envelope.body, change));
          asked.push(body.session_id);
          return [toldBy(stage, culprit, { type: 'authorize_beacon_signal_request', body }, body.session_id)];
        })(cast),
        // As if the nonce had come: whoever sent one would sign now.
        later: () => {
          const beacon_address = stage.aggregator.beacon.address;
          for (const session_id of asked)
            culprit.receive(
              toldBy(stage, culprit, {
                type: 'aggregated_nonce',
                body: { session_id, beacon_address, agg_nonce: pairs(cast, 1) },
              }),
            );
        },
      };
    },
    vetoedElsewhere,
  );

/** The veto is for a session that the aggregator of the test never made: it hears nothing of the one that it did. */
const vetoedElsewhere: Expected = { ...fine, ends: 'not_heard', notHeard: true };

/** Faults 20–22 and 35b, and whatever else an aggregator may say. */
const AGGREGATORS: Kind[] = [
  liar(
    'a second aggregated nonce',
    to('aggregated_nonce', (envelope, cast) => [
      envelope,
      retold(cast.stage, cast.culprit, envelope, { agg_nonce: pairs(cast, 1) }),
      envelope,
    ]),
    fine,
  ),
  liar(
    'another aggregated nonce for one',
    to('aggregated_nonce', (envelope, cast) => [
      retold(cast.stage, cast.culprit, envelope, { agg_nonce: pairs(cast, 1) }),
      envelope,
    ]),
    { ...fine, ends: 'not_heard', notHeard: true },
  ),
  liar('another aggregated nonce for each', cast => ({
    down: (envelope, wallet) =>
      envelope.type === 'aggregated_nonce'
        ? [retold(cast.stage, wallet, envelope, { agg_nonce: [randomPair(cast, wallet.name)] })]
        : [envelope],
  })),
  liar(
    'infinity for an aggregated nonce',
    to('aggregated_nonce', (envelope, { stage, culprit }) => [
      retold(stage, culprit, envelope, { agg_nonce: [['00'.repeat(33), '00'.repeat(33)]] }),
    ]),
    { ...fine, ends: 'not_heard', notHeard: true },
  ),
  liar(
    'an aggregated nonce off the curve',
    to('aggregated_nonce', (envelope, { stage, culprit }) => [
      retold(stage, culprit, envelope, { agg_nonce: [[OFF, OFF]] }),
    ]),
    { ...fine, ends: 'not_heard', notHeard: true },
  ),
  liar(
    'aggregated nonces for two transactions',
    to('aggregated_nonce', (envelope, cast) => [
      retold(cast.stage, cast.culprit, envelope, { agg_nonce: pairs(cast, 2) }),
      envelope,
    ]),
    fine,
  ),
  liar(
    'no aggregated nonce',
    to('aggregated_nonce', () => []),
    { ...fine, ends: 'not_heard', notHeard: true },
  ),
  liar(
    'no request',
    to('authorize_beacon_signal_request', () => []),
    { ...fine, ends: 'not_heard', notHeard: true },
  ),
  liar(
    'another transaction under the same session, later',
    to('aggregated_nonce', (envelope, cast) => {
      const { stage, culprit } = cast;
      const asked = stage.history.findLast(
        (each): each is Of<'authorize_beacon_signal_request'> =>
          each.type === 'authorize_beacon_signal_request' && each.body.session_id === envelope.body.session_id,
      )!;
      const body = withTx(asked.body, ({ outputs: [first, last] }) => ({
        outputs: [{ ...first!, script_hex: `5120${drawHex('thief')}` }, last!],
      }));
      return [toldBy(stage, culprit, { type: 'authorize_beacon_signal_request', body }), envelope];
    }),
    fine,
  ),
  liar('another fee for one, in a session of its own', cast => {
    const asked: Body<'authorize_beacon_signal_request'>[] = [];
    return {
      down: (envelope, wallet) => {
        const { stage, culprit } = cast;
        if (wallet !== culprit) return [envelope];
        if (envelope.type === 'authorize_beacon_signal_request') {
          const keys = stage.aggregator.beacon.participant_pubkeys;
          const dearer = withTx(envelope.body, ({ outputs: [first, last] }) => ({
            outputs: [{ ...first!, value_sats: first!.value_sats - 77 }, last!],
          }));
          const body = resealed({ cohort: stage.cohort, keys }, dearer);
          asked.push(body);
          return [envelope, toldBy(stage, culprit, { type: 'authorize_beacon_signal_request', body })];
        }
        if (envelope.type !== 'aggregated_nonce') return [envelope];
        const others = asked.map(({ session_id }) =>
          retold(stage, culprit, envelope, { session_id, agg_nonce: pairs(cast, 1) }),
        );
        return [envelope, ...others, envelope];
      },
    };
  }),
  requestWith('change to a thief', ({ outputs: [first, last] }) => ({
    outputs: [{ ...first!, script_hex: `5120${drawHex('thief')}` }, last!],
  })),
  requestWith('other signal bytes', ({ outputs: [first] }) => ({
    outputs: [first!, { script_hex: `6a20${drawHex('bytes')}`, value_sats: 0 }],
  })),
  requestWith('a lock time', () => ({ locktime: 500_000_000 })),
  requestWith('a final sequence', ({ inputs: [input] }) => ({ inputs: [{ ...input!, sequence: 0xffffffff }] })),
  requestWith('an outpoint that is not there', ({ inputs: [input] }) => ({
    inputs: [{ ...input!, txid: drawHex('nowhere') }],
  })),
  requestWith('a value that is not there', ({ spent, outputs: [first, last] }) => ({
    spent: { ...spent, value_sats: spent.value_sats + 5_000 },
    outputs: [{ ...first!, value_sats: first!.value_sats + 5_000 }, last!],
  })),
  requestWith('a fee above the cap', ({ outputs: [first, last] }) => ({
    outputs: [{ ...first!, value_sats: first!.value_sats - 5_000 }, last!],
  })),
  liar(
    'proofs of a tree with one bit turned',
    to('authorize_beacon_signal_request', (envelope, { stage, culprit }) => {
      const { evidence } = structuredClone(envelope.body);
      if ('proofs' in evidence)
        for (const proof of Object.values(evidence.proofs)) proof.hashes = proof.hashes.toReversed().slice(1);
      return [retold(stage, culprit, envelope, { evidence })];
    }),
    vetoed,
  ),
  liar('all older requests and aggregated nonces again', cast => ({
    down: (envelope, wallet) => {
      const old = cast.stage.history.filter(
        each =>
          (each.type === 'authorize_beacon_signal_request' || each.type === 'aggregated_nonce') &&
          each.to === envelope.to &&
          each.created_at < envelope.created_at - 7_200,
      );
      // Only with what the round itself sends: every replay is answered, and an answer to an answer would never end.
      const isDue = envelope.type === 'presence' || envelope.type === 'aggregated_nonce';
      return wallet === cast.culprit && isDue ? [...old.slice(-12), envelope] : [envelope];
    },
  })),
  liar('a round called off, and an honest member blamed', cast => ({
    down: (envelope, wallet) => {
      const { stage, culprit, others } = cast;
      if (wallet !== culprit || envelope.type !== 'aggregated_nonce') return [envelope];
      const [scapegoat] = others;
      const evidence = earlier(cast, 'nonce', [scapegoat!]).slice(0, 2) as unknown as Record<string, unknown>[];
      const body: Body<'round_aborted'> = {
        session_id: envelope.body.session_id,
        round: 1,
        attempt: 1,
        reason: 'invalid_signature',
        text: 'it was bob',
        open: true,
        blame: [scapegoat!.membership(stage.cohort).participant_pk],
        not_heard: [],
        evidence,
      };
      return [toldBy(stage, wallet, { type: 'round_aborted', body }), envelope];
    },
  })),
  liar(
    'a signal that is none, said to be final',
    to('aggregated_nonce', (envelope, { stage, culprit, label }) => {
      const { session_id, beacon_address } = envelope.body;
      const hex = stage.aggregator.beacon.signals.at(-1)?.hex ?? '00';
      const body: Body<'signal_status'> = {
        session_id,
        beacon_address,
        status: 'final',
        txid: drawHex(label),
        transactions: [hex],
        block_hash: drawHex('block'),
        height: 1,
        confirmations: 6,
      };
      return [toldBy(stage, culprit, { type: 'signal_status', body }), envelope];
    }),
    fine,
  ),
  liar(
    'answers that nobody asked for, sets that are made already',
    cast => ({
      down: (envelope, wallet) => {
        const { stage, culprit } = cast;
        if (wallet !== culprit || envelope.type === 'ack') return [envelope];
        const say = (message: Message): Envelope => toldBy(stage, wallet, message);
        const { participant_pubkeys, address: beacon_address } = stage.aggregator.beacon;
        const { terms } = stage.aggregator.advert;
        const keys = [...participant_pubkeys.slice(1), publicHex(draw('thief'))].toSorted();
        const policy = policyFor(terms.policy, keys.length);
        const set = { advert_id: terms.id, participant_pubkeys: keys, beacon_address, policy };
        return [
          say({ type: 'ack', body: { accepted: 'leave' } }),
          say({ type: 'rejection', body: { code: 'seat_dropped', text: 'gone' } }),
          say({ type: 'cohort_set', body: { ...set, attempt: 9 } }),
          say({
            type: 'cohort_ready',
            body: { ...set, signatures: keys.map(() => '11'.repeat(64)), challenge: drawHex('challenge') },
          }),
          envelope,
        ];
      },
    }),
    fine,
  ),
  liar(
    'a signature held back, and the transaction of the aborted attempt published',
    cast => {
      const sent = new Map<string, Map<string, Authorization>>();
      return {
        up: (envelope, from) => {
          if (envelope.type !== 'signal_authorization') return [envelope];
          const { session_id } = envelope.body;
          sent.set(session_id, (sent.get(session_id) ?? new Map()).set(pkOf(cast, from), envelope.body));
          return from === cast.culprit ? [] : [envelope];
        },
        later: () => {
          for (const [session_id, all] of sent) publish(cast, session_id, all);
        },
      };
    },
    { ...fine, ends: 'not_heard', notHeard: true },
  ),
];

const pkOf = ({ stage }: Cast, wallet: Wallet): string => wallet.membership(stage.cohort).participant_pk;

const musig = createMusig(curve);

/** Whoever holds all partial signatures can make the transaction, whatever was said of its session. */
function publish({ stage }: Cast, session_id: string, all: ReadonlyMap<string, Authorization>): void {
  const { participant_pubkeys } = stage.aggregator.beacon;
  if (all.size < participant_pubkeys.length) return;
  const asked = stage.history.find(
    (each): each is Of<'authorize_beacon_signal_request'> =>
      each.type === 'authorize_beacon_signal_request' && each.body.session_id === session_id,
  )!;
  const { unsignedHex, prevout } = readSignalPsbt(asked.body.pending_beacon_signal[0]!);
  const [first] = [...all.values()];
  const [one, two] = first!.agg_nonce[0]!;
  const session = musig.session({
    keySet: musig.keySet(participant_pubkeys.map(key => fromHex(key))),
    aggNonce: concatBytes(fromHex(one), fromHex(two)),
    message: signalSighash(unsignedHex, stage.aggregator.script, prevout.value_sats),
  });
  const signature = session.aggregate(participant_pubkeys.map(key => fromHex(all.get(key)!.sig[0]!)));
  stage.world.chain.submit(finalizeSignal(unsignedHex, signature).hex);
}

/** What a member cannot help: its own view of the chain. */
const eye = (name: string, look: (cast: Cast) => Wallet['eye'], expected: Expected): Kind => ({
  name: `chain: ${name}`,
  by: 'nobody',
  expected,
  make: cast => {
    cast.culprit.eye = look(cast);
    return {
      later: () => {
        cast.culprit.eye = truth => truth;
      },
    };
  },
});

const CHAINS: Kind[] = [
  eye('a member sees none', () => () => null, vetoed),
  eye('a member sees no output', () => truth => ({ ...truth, utxos: [] }), vetoed),
  eye(
    'a member sees another value',
    () => truth => ({ ...truth, utxos: truth.utxos.map(utxo => ({ ...utxo, value_sats: utxo.value_sats - 1 })) }),
    vetoed,
  ),
  eye(
    'a member sees it unconfirmed',
    () => truth => ({ ...truth, utxos: truth.utxos.map(utxo => ({ ...utxo, height: null })) }),
    vetoed,
  ),
];

export const KINDS: readonly Kind[] = [...MEMBERS, ...AGGREGATORS, ...CHAINS];
