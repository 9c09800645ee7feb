import { curve } from '#curve';
import { aggregate } from '../../../src/beacon/index.ts';
import {
  beaconOutput,
  buildSignal,
  createMusig,
  finalizeSignal,
  readSignalPsbt,
  refundsOf,
  type SecretNonce,
  signalSighash,
  signedTogether,
} from '../../../src/bitcoin/index.ts';
import { concatBytes, fromHex, hmacSha256, toHex } from '../../../src/crypto/index.ts';
import { jsonHash } from '../../../src/did/index.ts';
import {
  type Body,
  cohortSetStatement,
  type Envelope,
  type Message,
  policyFor,
  type SignalEvidence,
  sessionId,
  type Terms,
} from '../../../src/messages/index.ts';
import { leafIndex } from '../../../src/smt/index.ts';
import { draw, drawHex, publicHex, schnorr } from '../../cohort/members.ts';
import { advertOf } from './aggregator.ts';
import { type Outcome, sealed, type Wallet, type World } from './wallet.ts';

type RequestBody = Body<'authorize_beacon_signal_request'>;

export interface Outpoint {
  txid: string;
  vout: number;
  value_sats: number;
}

/** What a request is made of, each part free to be a lie. */
export interface RequestParts {
  /** Announcements (hex) by DID; the keys of `leaves` without one are leaves without an update. */
  updates: Record<string, string>;
  leaves: string[];
  /** DIDs that evidence is given of. */
  shown: string[];
  outpoint: Outpoint;
  fee: number;
  round: number;
  attempt: number;
  seed: string;
  /** The map of a CAS beacon is empty. */
  alone?: boolean;
}

/** Over all tests of a process: the guard remembers every nonce that ever signed. */
let drawn = 0;

/**
 * An aggregator that holds every key but the wallet's, so it can say whatever it likes, and sign it.
 * What it says is well-formed unless a test bends it.
 */
export interface Liar {
  readonly cohort: string;
  readonly terms: Terms;
  readonly address: string;
  readonly script: string;
  readonly keys: string[];
  envelope(message: Message, about?: { in_reply_to?: string; from?: Uint8Array; cohort?: string }): Envelope;
  say(message: Message, about?: Parameters<Liar['envelope']>[1]): Outcome;
  set(changes?: Partial<Body<'cohort_set'>>): Message;
  ready(changes?: Partial<Body<'cohort_ready'>>): Message;
  /** Brings the wallet to a cohort that is ready. */
  form(): void;
  /** Pays the beacon; six deep. */
  deposit(value_sats?: number): Outpoint;
  /** Acknowledges the last registration that the wallet sent. */
  registered(did: string, signals?: SignalEvidence[]): Outcome;
  acked(did: string, announcement: string): Outcome;
  request(parts: Partial<RequestParts> & { outpoint: Outpoint }): RequestBody;
  ask(body: RequestBody): Outcome;
  /** Evidence of one DID in the signal that a request of these parts would be. */
  evidence(parts: Partial<RequestParts>, did: string): SignalEvidence;
  /** An aggregated nonce with the liar's own share in it, fresh at every call. */
  aggregated(body: RequestBody, ...own: [string, string][]): Message & { type: 'aggregated_nonce' };
  /** The transaction of a session, from the wallet's partial signature and the liar's own. */
  complete(body: RequestBody, authorization: Body<'signal_authorization'>, at?: number): string;
}

export function newLiar(world: World, wallet: Wallet, name: string, changes: Partial<Terms> = {}): Liar {
  const { transportSecret, ...advert } = advertOf(name, changes);
  const { cohort, terms } = advert;
  wallet.join(advert);
  const { participant_pk, transport } = wallet.membership(cohort);
  const secret = draw(`the other member of ${name}`);
  const musig = createMusig(curve);
  const keySet = musig.keySet([participant_pk, publicHex(secret)].map(key => fromHex(key)));
  const keys = keySet.publicKeys.map(toHex);
  const { address, scriptHex: script } = beaconOutput(keySet, terms.btc_network);
  const nonces = new Map<string, SecretNonce>();
  const completed = new Map<string, string>();
  let seq = 0;

  const whole = (parts: Partial<RequestParts>): Omit<RequestParts, 'outpoint'> => {
    const updates = parts.updates ?? {};
    const leaves = parts.leaves ?? Object.keys(updates);
    return { leaves, shown: leaves, fee: 308, round: 1, attempt: 1, seed: drawHex('tree'), ...parts, updates };
  };

  /** The wallet's nonce with one of the liar's own. */
  const addNonce = ([first, second]: [string, string]): [string, string] => {
    const nonce = musig.newNonce({
      secretKey: secret,
      publicKey: fromHex(publicHex(secret)),
      keySet,
      random32: draw(`${name} nonce ${drawn++}`),
    });
    const sum = toHex(musig.nonceAgg([nonce.publicNonce, concatBytes(fromHex(first), fromHex(second))]));
    nonces.set(sum, nonce);
    return [sum.slice(0, 66), sum.slice(66)];
  };

  const built = ({ updates, leaves, seed, alone }: Pick<RequestParts, 'updates' | 'leaves' | 'seed' | 'alone'>) => {
    // No honest code makes a map of nothing.
    if (alone) return { type: 'CASBeacon', signalBytes: jsonHash({}), evidenceFor: () => ({ map: {} }) } as const;
    // The other member's own DID gives every tree something to announce.
    const all = { ...updates, [`did:btcr2:${name}`]: drawHex('of the other member') };
    const entries = [...new Set([...leaves, ...Object.keys(all)])].map(did => ({
      did,
      index: toHex(leafIndex(did)),
      nonce: toHex(hmacSha256(fromHex(seed), leafIndex(did))),
      ...(Object.hasOwn(all, did) ? { announcement: all[did]! } : {}),
    }));
    return aggregate(terms.type, entries, { bitOrder: terms.bit_order });
  };

  const self: Liar = {
    cohort,
    terms,
    address,
    script,
    keys,
    envelope: (message, { in_reply_to, from = transportSecret, cohort: other = cohort } = {}) =>
      sealed(
        { secret: from },
        {
          message,
          to: transport,
          cohort: other,
          seq: seq++,
          created_at: world.now,
          ...(in_reply_to === undefined ? {} : { in_reply_to }),
        },
      ),
    say: (message, about) => wallet.receive(self.envelope(message, about)),
    set: (more = {}) => ({
      type: 'cohort_set',
      body: {
        advert_id: terms.id,
        participant_pubkeys: keys,
        beacon_address: address,
        policy: policyFor(terms.policy, keys.length),
        attempt: 1,
        ...more,
      },
    }),
    ready(more = {}) {
      const own = wallet.membership(cohort).phase;
      const statement = cohortSetStatement({
        aggregator: advert.identity,
        network: terms.btc_network,
        terms_hash: advert.terms_hash,
        participant_pubkeys: keys,
        beacon_address: address,
      });
      const theirs = own.name === 'proposed' && own.sig !== null ? own.sig : '00'.repeat(64);
      return {
        type: 'cohort_ready',
        body: {
          advert_id: terms.id,
          participant_pubkeys: keys,
          beacon_address: address,
          policy: policyFor(terms.policy, keys.length),
          signatures: keys.map(key => (key === participant_pk ? theirs : schnorr(statement, secret))),
          challenge: drawHex('challenge'),
          ...more,
        },
      };
    },
    form() {
      self.say(self.set());
      self.say(self.ready());
      wallet.beacon(cohort);
    },
    deposit(value_sats = 100_000) {
      const txid = world.chain.deposit(script, value_sats);
      world.chain.mine(6);
      return { txid, vout: 0, value_sats };
    },
    registered(did, signals = []) {
      const asked = wallet.sent.findLast(sent => sent.type === 'did_registration' && sent.body.did === did);
      return self.say(
        {
          type: 'ack',
          body: { accepted: 'did_registration', did, index: toHex(leafIndex(did)), proven: true, signals },
        },
        asked ? { in_reply_to: asked.id } : {},
      );
    },
    acked(did, announcement) {
      const asked = wallet.sent.findLast(sent => sent.type === 'did_update' && sent.body.did === did);
      return self.say(
        {
          type: 'ack',
          body: { accepted: 'did_update', did, announcement, target_version_id: 2, verified: true, state: 'queued' },
        },
        asked ? { in_reply_to: asked.id } : {},
      );
    },
    request(parts) {
      const { shown, fee, round, attempt, ...rest } = whole(parts);
      const tree = built(rest);
      const signal = buildSignal({
        prevout: parts.outpoint,
        scriptHex: script,
        signalBytes: tree.signalBytes,
        feeSats: fee,
        signalOutput: terms.signal_output,
      });
      return resealed(self, {
        session_id: drawHex('set below'),
        beacon_address: address,
        round,
        attempt,
        signal_bytes: toHex(tree.signalBytes),
        pending_beacon_signal: [signal.psbt],
        evidence: tree.evidenceFor(shown),
      });
    },
    ask: body => self.say({ type: 'authorize_beacon_signal_request', body }),
    evidence(parts, did) {
      const tree = built(whole(parts));
      return {
        session_id: drawHex('session'),
        signal_bytes: toHex(tree.signalBytes),
        txid: null,
        height: null,
        evidence: tree.evidenceFor([did]),
      };
    },
    aggregated(body, ...own) {
      const agg_nonce = own.map(addNonce);
      return { type: 'aggregated_nonce', body: { session_id: body.session_id, beacon_address: address, agg_nonce } };
    },
    complete(body, authorization, at = 0) {
      const steps = body.pending_beacon_signal.map(readSignalPsbt);
      const all = signedTogether({
        outpoint: steps[0]!.prevout,
        steps: steps.map(({ unsignedHex, txid }) => ({ unsigned_hex: unsignedHex, txid })),
        refunds: refundsOf(
          terms,
          script,
          steps.map(({ unsignedHex }) => unsignedHex),
        ),
      });
      const { unsigned_hex, value_sats } = all[at]!;
      const [first, second] = authorization.agg_nonce[at]!;
      const known = completed.get(first + second);
      if (known !== undefined) return known;
      const session = musig.session({
        keySet,
        aggNonce: concatBytes(fromHex(first), fromHex(second)),
        message: signalSighash(unsigned_hex, script, value_sats),
      });
      const own = nonces.get(first + second)!.sign(session, secret);
      const theirs = fromHex(authorization.sig[at]!);
      const signature = session.aggregate(keys.map(key => (key === participant_pk ? theirs : own)));
      const { hex } = finalizeSignal(unsigned_hex, signature);
      completed.set(first + second, hex);
      return hex;
    },
  };
  return self;
}

/** The body with the session id that its parts make. */
export function resealed(
  liar: Pick<Liar, 'cohort' | 'keys'> & Partial<Pick<Liar, 'terms' | 'script'>>,
  body: RequestBody,
  lies: Partial<Parameters<typeof sessionId>[0]> = {},
): RequestBody {
  const steps = body.pending_beacon_signal.map(readSignalPsbt);
  const { prevout } = steps[0]!;
  const hexes = steps.map(({ unsignedHex }) => unsignedHex);
  const refunds = liar.terms && liar.script ? refundsOf(liar.terms, liar.script, hexes) : [];
  const id = sessionId({
    cohort: liar.cohort,
    round: body.round,
    attempt: body.attempt,
    outpoint: `${prevout.txid}:${prevout.vout}`,
    transactions: [...steps, ...refunds].map(({ txid }) => txid),
    participant_pubkeys: liar.keys,
    signal_bytes: body.signal_bytes,
    ...lies,
  });
  return { ...body, session_id: toHex(id) };
}
