import { curve } from '#curve';
import { createMusig, type KeySet, leafSighash, parseTx, signalSighash } from '../bitcoin/index.ts';
import type { Network } from '../bitcoin/network.ts';
import { beaconOf, keySetOf, treeOf } from '../cohort/keys.ts';
import { type Bytes, concatBytes, fromHex, toHex } from '../crypto/index.ts';
import {
  checkEnvelope,
  type Envelope,
  optInStatement,
  rebindStatement,
  type SeatProof,
  sessionId,
  xOnlyOf,
} from '../messages/index.ts';
import type { TermsPolicy } from '../messages/policy.ts';
import type { SessionRecord, Transcript } from './transcript.ts';

/** What signed envelopes can show of a member. Silence is not among it. */
export type Fault =
  | 'two_nonces'
  | 'two_authorizations'
  | 'two_fallback_signatures'
  | 'invalid_nonce'
  | 'invalid_signature'
  | 'invalid_fallback_signature';

export type Verdict =
  | { shown: true; fault: Fault; participant_pk: string; session_id: string }
  /** It may be so or not: these envelopes do not tell. */
  | { shown: false; why: string };

/** Who is accused, and what makes its transport keys its own. */
export interface Accused {
  participant_pk: string;
  seats: readonly SeatProof[];
  advert: { aggregator: string; network: Network; terms_hash: string };
}

/** A session as a judge needs it: made of what its id is the hash of, or known to a wallet that checked it. */
export interface JudgedSession {
  session_id: string;
  participant_pubkeys: readonly string[];
  /** The hash to sign, one a fee step; null where the value of the outpoint is not proven. */
  messages: readonly Bytes[] | null;
  /** Of members with a script tree: their policy, and what is signed in the session's fallback, by transaction id. */
  policy?: TermsPolicy;
  fallback?: ReadonlyMap<string, Bytes> | null;
}

type Of<T extends Envelope['type']> = Extract<Envelope, { type: T }>;
type Nonce = Of<'nonce'>;
type Authorization = Of<'signal_authorization'>;
type FallbackSignature = Of<'fallback_signature'>;

const musig = createMusig(curve);

const nothing = (why: string): Verdict => ({ shown: false, why });

/** Judges a transcript by itself: neither its writer nor the aggregator nor the chain is asked or believed. */
export function judgeTranscript({ session, participant_pk, seats, advert, envelopes }: Transcript): Verdict {
  const accused = { participant_pk, seats, advert };
  if (session === null) return judge(accused, envelopes, null);
  try {
    return judge(accused, envelopes, openRecord(session, advert.network));
  } catch (error) {
    return nothing(`the session is not what it says: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
}

/**
 * What the envelopes show of the accused. Only what a wallet that follows the protocol never signs convicts: two answers
 * in one slot of one session, a nonce that is no point, and a partial signature that does not verify under the nonces
 * that the same member sent for the same session. So neither an altered envelope (its signature fails), nor a genuine
 * one of another session (its id is the hash of all that is signed), nor another order of them says anything.
 */
export function judge(accused: Accused, envelopes: readonly unknown[], session: JudgedSession | null): Verdict {
  const { seats, participant_pk } = accused;
  if (!seats.every(seat => isSeated(accused, seat)))
    return nothing('the cohort key did not authorize the transport key');
  const own = new Set(seats.map(seat => seat.transport_key));
  const said: Envelope[] = [];
  for (const [i, value] of envelopes.entries()) {
    const read = checkEnvelope(value);
    if (!read.ok) return nothing(`envelope ${i + 1} is not authentic: ${read.text}`);
    if (!own.has(read.envelope.from)) return nothing(`envelope ${i + 1} is not by the accused`);
    said.push(read.envelope);
  }
  const convict = (fault: Fault, session_id: string): Verdict => ({ shown: true, fault, participant_pk, session_id });
  const nonces = said.filter(isNonce);
  const authorizations = said.filter(isAuthorization);
  const twoNonces = contradiction(nonces, body => body.nonce_points);
  if (twoNonces !== null) return convict('two_nonces', twoNonces);
  const twoSignatures = contradiction(authorizations, body => [body.agg_nonce, body.sig]);
  if (twoSignatures !== null) return convict('two_authorizations', twoSignatures);
  const fallbacks = said.filter(isFallbackSignature);
  const twoFallbacks = contradiction(fallbacks, body => [body.txids, body.sig]);
  if (twoFallbacks !== null) return convict('two_fallback_signatures', twoFallbacks);
  const off = nonces.find(({ body }) => !body.nonce_points.flat().every(point => isPoint(point)));
  if (off) return convict('invalid_nonce', off.body.session_id);
  let why = 'nothing in it contradicts itself';
  for (const authorization of authorizations) {
    const { session_id } = authorization.body;
    const nonce = nonces.find(({ body }) => body.session_id === session_id);
    const verdict = judgeSignature(participant_pk, nonce, authorization, session);
    if (verdict === null) return convict('invalid_signature', session_id);
    why = verdict;
  }
  for (const { body } of fallbacks) {
    const verdict = judgeFallback(participant_pk, body, session);
    if (verdict === null) return convict('invalid_fallback_signature', body.session_id);
    why = verdict;
  }
  return nothing(why);
}

/** Null if a signature of a fallback is shown to be wrong; else why nothing is shown. */
function judgeFallback(
  participant_pk: string,
  { session_id, txids, sig }: FallbackSignature['body'],
  session: JudgedSession | null,
): string | null {
  if (!session) return 'what was signed is missing';
  if (session.session_id !== session_id) return 'the session described is not the one that was signed';
  if (!session.participant_pubkeys.includes(participant_pk)) return 'the accused is no member of that session';
  const messages = txids.map(txid => session.fallback?.get(txid));
  if (messages.some(message => message === undefined))
    return 'the transactions of the fallback, or the one that paid the outpoint, are missing';
  // Of a wrong number of them the aggregator says so, and asks on: they prove no ill will.
  if (sig.length !== txids.length) return `${txids.length} signatures were due`;
  const key = fromHex(xOnlyOf(participant_pk), 32);
  const isGood = messages.every((message, i) => curve.verifySchnorr(message!, key, fromHex(sig[i]!, 64)));
  return isGood ? 'the signature verifies' : null;
}

const isNonce = (envelope: Envelope): envelope is Nonce => envelope.type === 'nonce';
const isAuthorization = (envelope: Envelope): envelope is Authorization => envelope.type === 'signal_authorization';
const isFallbackSignature = (envelope: Envelope): envelope is FallbackSignature =>
  envelope.type === 'fallback_signature';

function isSeated({ participant_pk, advert }: Accused, seat: SeatProof): boolean {
  const { transport_key } = seat;
  const [statement, sig] =
    'rebind' in seat
      ? [
          rebindStatement({
            cohort: seat.rebind.cohort,
            participant_pk,
            transport_key,
            counter: seat.rebind.counter,
          }),
          seat.rebind.sig,
        ]
      : [optInStatement({ ...advert, transport_key }), seat.proof];
  try {
    return curve.verifySchnorr(statement, fromHex(xOnlyOf(participant_pk), 32), fromHex(sig, 64));
  } catch {
    return false;
  }
}

/** The session in which two messages of one kind say two things; null where none do. */
function contradiction<T extends Nonce | Authorization | FallbackSignature>(
  messages: readonly T[],
  what: (body: T['body']) => unknown,
): string | null {
  const first = new Map<string, string>();
  for (const { body } of messages) {
    const text = JSON.stringify(what(body));
    if ((first.get(body.session_id) ?? text) !== text) return body.session_id;
    first.set(body.session_id, text);
  }
  return null;
}

const isPoint = (hex: string): boolean => curve.isCompressedPoint(fromHex(hex));

/** Null if the signature is shown to be wrong; else why nothing is shown. */
function judgeSignature(
  participant_pk: string,
  nonce: Nonce | undefined,
  { body }: Authorization,
  session: JudgedSession | null,
): string | null {
  if (!nonce) return 'the nonces that the signature was made with are missing';
  if (!session) return 'what was signed is missing';
  if (session.session_id !== body.session_id) return 'the session described is not the one that was signed';
  if (!session.participant_pubkeys.includes(participant_pk)) return 'the accused is no member of that session';
  const { messages } = session;
  if (!messages) return 'the transaction that paid the outpoint is missing, so the value that is signed is not proven';
  // Of a wrong number of them the aggregator says so, and asks on: they prove no ill will.
  const { nonce_points } = nonce.body;
  if ([nonce_points, body.agg_nonce, body.sig].some(({ length }) => length !== messages.length))
    return `${messages.length} nonces and signatures were due`;
  const keySet = keySetOf(session.participant_pubkeys, session.policy);
  for (const [step, message] of messages.entries()) {
    const verified = verifyStep(keySet, message, {
      participant_pk,
      publicNonce: nonce_points[step]!,
      aggNonce: body.agg_nonce[step]!,
      sig: body.sig[step]!,
    });
    if (verified !== true) return verified;
  }
  return 'the signature verifies';
}

/** Null for a signature that is wrong. */
function verifyStep(
  keySet: KeySet,
  message: Bytes,
  about: { participant_pk: string; publicNonce: [string, string]; aggNonce: [string, string]; sig: string },
): true | string | null {
  const join = ([first, second]: [string, string]): Bytes => concatBytes(fromHex(first, 33), fromHex(second, 33));
  let signing: ReturnType<typeof musig.session>;
  try {
    signing = musig.session({ keySet, message, aggNonce: join(about.aggNonce) });
  } catch {
    return 'it was signed under an aggregated nonce that is none';
  }
  const isGood = signing.verifyPartial({
    publicKey: fromHex(about.participant_pk, 33),
    publicNonce: join(about.publicNonce),
    sig: fromHex(about.sig, 32),
  });
  return isGood ? true : null;
}

/** The session that a record describes, under the id that the record hashes to. Throws for transactions that are none. */
function openRecord(record: SessionRecord, network: Network): JudgedSession {
  const { outpoint, transactions, participant_pubkeys, funding, policy, fallback, ...rest } = record;
  const id = sessionId({
    ...rest,
    outpoint: `${outpoint.txid}:${outpoint.vout}`,
    transactions: transactions.map(hex => parseTx(hex).txid),
    participant_pubkeys,
  });
  return {
    session_id: toHex(id),
    participant_pubkeys,
    ...(policy === undefined ? {} : { policy }),
    ...(funding === null ? { messages: null } : signedIn(record, funding, network)),
  };
}

/** What is signed by the key path, and in the fallback: the value is that of the output shown, and its script the members'. */
function signedIn(
  record: SessionRecord,
  funding: string,
  network: Network,
): Pick<JudgedSession, 'messages' | 'fallback'> {
  const { outpoint, transactions, participant_pubkeys, policy, fallback } = record;
  const paid = parseTx(funding);
  const output = paid.outputs[outpoint.vout];
  if (paid.txid !== outpoint.txid || !output) throw new Error('its outpoint is no output of the transaction shown');
  const { script_hex: scriptHex } = beaconOf(participant_pubkeys, network, policy);
  if (output.script_hex !== scriptHex) throw new Error('its outpoint does not pay the beacon of these members');
  const tree = policy && treeOf(participant_pubkeys, policy);
  const spent = { scriptHex, valueSats: output.value_sats };
  // Only what spends this outpoint was asked for: of anything else a signature proves nothing.
  const isOurs = (hex: string): boolean =>
    parseTx(hex).inputs.some(({ txid, vout }) => txid === outpoint.txid && vout === outpoint.vout);
  const parents = transactions.filter(isOurs).map(parseTx);
  return {
    messages: transactions.map(hex => {
      if (isOurs(hex)) return signalSighash(hex, scriptHex, output.value_sats);
      // A refund: what it spends is in a transaction beside it.
      const { txid, vout } = parseTx(hex).inputs[0]!;
      const left = parents.find(parent => parent.txid === txid)?.outputs[vout];
      if (left?.script_hex !== scriptHex) throw new Error('one of its transactions spends what is not shown');
      return signalSighash(hex, scriptHex, left.value_sats);
    }),
    fallback:
      tree &&
      new Map(
        (fallback ?? [])
          .filter(isOurs)
          .map(hex => [parseTx(hex).txid, leafSighash(hex, spent, tree.fallback)] as const),
      ),
  };
}
