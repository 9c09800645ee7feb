import { curve } from '#curve';
import {
  createMusig,
  type KeySet,
  type RefundTerms,
  readSignalPsbt,
  refundsOf,
  type SecretNonce,
  signalSighash,
} from '../../src/bitcoin/index.ts';
import { type Bytes, concatBytes, fromHex, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import {
  type DidDocument,
  draftUpdate,
  encodeDid,
  initialDocument,
  type Patch,
  type SignedUpdate,
  signUpdate,
} from '../../src/did/index.ts';
import type { Body } from '../../src/messages/index.ts';

export const draw = (label: string): Bytes => sha256(utf8(label));
export const drawHex = (label: string): string => toHex(draw(label));

/** The members' own MuSig2, apart from the aggregator's. */
export const walletMusig = createMusig(curve);

export interface Member {
  name: string;
  secret: Bytes;
  /** Cohort key, 33 bytes of hex. */
  pk: string;
  transportSecret: Bytes;
  /** x-only hex. */
  transport: string;
  seq: number;
  /** Secret nonces by session: a restart of the wallet is `clear()`. */
  nonces: Map<string, SecretNonce[]>;
  /** What is to be signed, by session. */
  messages: Map<string, Bytes[]>;
}

export const publicHex = (secret: Bytes): string => toHex(curve.publicKey(secret));
export const xOnly = (secret: Bytes): string => publicHex(secret).slice(2);
export const schnorr = (message: Bytes, secret: Bytes): string =>
  toHex(curve.signSchnorr(message, secret, draw('aux')));

export function newMember(name: string): Member {
  const secret = draw(`cohort key of ${name}`);
  const transportSecret = draw(`transport key of ${name}`);
  return {
    name,
    secret,
    pk: publicHex(secret),
    transportSecret,
    transport: xOnly(transportSecret),
    seq: 0,
    nonces: new Map(),
    messages: new Map(),
  };
}

let randomness = 0;

const split = (nonce: Bytes): [string, string] => [toHex(nonce.slice(0, 33)), toHex(nonce.slice(33))];

/** Seed D5: fresh nonces for the transactions of a request, one pair a step, then for the refunds that the terms have. */
export function drawNonces(
  member: Member,
  keySet: KeySet,
  { session_id }: { session_id: string },
  psbts: string[],
  terms: RefundTerms,
): [string, string][] {
  const messages = messagesOf(psbts, terms);
  const nonces = messages.map(message =>
    walletMusig.newNonce({
      secretKey: member.secret,
      publicKey: fromHex(member.pk),
      keySet,
      message,
      random32: draw(`random ${randomness++}`),
    }),
  );
  member.nonces.set(session_id, nonces);
  member.messages.set(session_id, messages);
  return nonces.map(nonce => split(nonce.publicNonce));
}

/** Seed D6: partial signatures under the aggregated nonces; null where the secret nonces are gone. */
export function signPartially(member: Member, keySet: KeySet, body: Body<'aggregated_nonce'>): string[] | null {
  const nonces = member.nonces.get(body.session_id);
  const messages = member.messages.get(body.session_id);
  member.nonces.delete(body.session_id);
  if (!nonces || !messages) return null;
  return nonces.map((nonce, i) => {
    const [first, second] = body.agg_nonce[i]!;
    const session = walletMusig.session({
      keySet,
      aggNonce: concatBytes(fromHex(first), fromHex(second)),
      message: messages[i]!,
    });
    return toHex(nonce.sign(session, member.secret));
  });
}

function messagesOf(psbts: readonly string[], terms: RefundTerms): Bytes[] {
  const steps = psbts.map(readSignalPsbt);
  const script = steps[0]!.prevoutScriptHex;
  const refunds = refundsOf(
    terms,
    script,
    steps.map(({ unsignedHex }) => unsignedHex),
  );
  return [
    ...steps.map(({ unsignedHex, prevout }) => signalSighash(unsignedHex, script, prevout.value_sats)),
    ...refunds.map(({ unsigned_hex, value_sats }) => signalSighash(unsigned_hex, script, value_sats)),
  ];
}

/** A `k` DID with its key and the document that it begins with. */
export interface Controller {
  did: string;
  secret: Bytes;
  document: DidDocument;
  method: string;
}

export function newController(name: string, network: 'regtest' | 'signet' = 'regtest'): Controller {
  const secret = draw(`did key of ${name}`);
  const did = encodeDid({ version: 1, network, kind: 'key', genesisBytes: curve.publicKey(secret) });
  return { did, secret, document: initialDocument(did), method: `${did}#initialKey` };
}

export const addService = (name: string): Patch => [
  {
    op: 'add',
    path: '/service/-',
    value: { id: `#${name}`, type: 'Example', serviceEndpoint: `https://${name}.example` },
  },
];

/** A signed update of the document at `version`. */
export const updateOf = (
  controller: Controller,
  patch: Patch,
  { document = controller.document, version = 1 }: { document?: DidDocument; version?: number } = {},
): Promise<SignedUpdate> =>
  signUpdate(draftUpdate({ document, versionId: version, patch }), {
    did: controller.did,
    verificationMethod: controller.method,
    signer: hash => curve.signSchnorr(hash, controller.secret, draw('aux')),
  });
