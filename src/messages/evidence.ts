import { z } from 'zod';
import { blockHeight, did, hash32, txid } from './fields.ts';

const base64url32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/, '32 bytes as unpadded base64url');

export const smtProof = z.strictObject({
  id: base64url32,
  nonce: base64url32.optional(),
  updateId: base64url32.optional(),
  collapsed: base64url32,
  hashes: z.array(base64url32).max(256),
});

/** A DID, or where the aggregator knows no more its tree index: sha256 of the DID, in hex. */
export const subject = z.union([did, hash32]);

/** What a member needs of one signal: SMT proofs by DID or index, or the announcement map of a CAS beacon. */
export const evidence = z.union([
  z.strictObject({ proofs: z.record(subject, smtProof) }),
  z.strictObject({ map: z.record(did, base64url32) }),
]);

/** One signal of an address with the evidence that somebody needs of it. `txid` is null while the session is open. */
export const signalEvidence = z.strictObject({
  session_id: hash32,
  signal_bytes: hash32,
  txid: txid.nullable(),
  height: blockHeight.nullable(),
  /** Where members made the leaves themselves: what their nonces were drawn for. */
  opportunity_id: hash32.optional(),
  evidence,
});
export type SignalEvidence = z.infer<typeof signalEvidence>;
