import { curve } from '#curve';
import {
  beaconOutput,
  createMusig,
  type FallbackTree,
  fallbackTree,
  type KeySet,
  type SigningSession,
  type TreeKeys,
} from '../bitcoin/index.ts';
import type { Network } from '../bitcoin/network.ts';
import { type Bytes, concatBytes, fromHex, sha256, toHex, utf8 } from '../crypto/index.ts';
import { cohortSetStatement, xOnlyOf } from '../messages/index.ts';
import { policyFor, type TermsPolicy } from '../messages/policy.ts';

export const musig = createMusig(curve);

const KEYPATH: TermsPolicy = { type: 'keypath' };

const nameOf = (policy: TermsPolicy): string =>
  policy.type === 'keypath' ? '' : `${policy.threshold} ${policy.recovery_key} ${policy.recovery_delay_blocks}`;

const byArray = new WeakMap<readonly string[], { policy: string; keySet: KeySet }>();

/** Key sets that were used last, by a hash of their sorted keys: messages and restarts bring the same keys in new arrays. */
const byKeys = new Map<string, KeySet>();
const KEPT = 32;

/**
 * The aggregated key of a cohort, of its keys in any order, tweaked as its policy says. Computed once a cohort: at 1,000
 * members it costs a quarter of a second. Throws as `makeKeySet` and `fallbackTree` do.
 */
export function keySetOf(participantPubkeys: readonly string[], policy: TermsPolicy = KEYPATH): KeySet {
  const policyName = nameOf(policy);
  const known = byArray.get(participantPubkeys);
  if (known?.policy === policyName) return known.keySet;
  const name = toHex(sha256(utf8(`${policyName} ${participantPubkeys.toSorted().join()}`)));
  const keySet = byKeys.get(name) ?? makeKeySet(participantPubkeys, policy);
  byArray.set(participantPubkeys, { policy: policyName, keySet });
  byKeys.delete(name);
  byKeys.set(name, keySet);
  if (byKeys.size > KEPT) byKeys.delete(byKeys.keys().next().value!);
  return keySet;
}

function makeKeySet(participantPubkeys: readonly string[], policy: TermsPolicy): KeySet {
  const tree = treeOf(participantPubkeys, policy);
  return musig.keySet(keysOf(participantPubkeys), tree ? { merkleRoot: tree.merkleRoot } : {});
}

const keysOf = (participantPubkeys: readonly string[]) => participantPubkeys.map(key => fromHex(key, 33));

/** The script tree of a cohort; null where nobody but all members together can spend. Throws as `fallbackTree` does. */
export function treeOf(participantPubkeys: readonly string[], policy: TermsPolicy): FallbackTree | null {
  const due = policyFor(policy, participantPubkeys.length);
  return due.type === 'keypath' ? null : fallbackTree(keysOf(participantPubkeys), due);
}

/** Keys and script tree of a cohort; null where it has no tree. */
export function treeKeysOf(participantPubkeys: readonly string[], policy: TermsPolicy): TreeKeys | null {
  const tree = treeOf(participantPubkeys, policy);
  return tree && { tree, keySet: keySetOf(participantPubkeys, policy) };
}

/** Sorted keys, address and output script of a cohort. */
export function beaconOf(participantPubkeys: readonly string[], network: Network, policy: TermsPolicy = KEYPATH) {
  const keySet = keySetOf(participantPubkeys, policy);
  const { address, scriptHex } = beaconOutput(keySet, network);
  return { participant_pubkeys: keySet.publicKeys.map(toHex), beacon_address: address, script_hex: scriptHex };
}

const sessions = new WeakMap<KeySet, Map<string, SigningSession>>();
const KEPT_SESSIONS = 64;

/**
 * The signing session of one message (32 bytes) under one aggregated nonce (66 bytes): nothing in it is secret, so all
 * members in one process share it. Throws as `openSession` does.
 */
export function sessionOf(keySet: KeySet, aggNonce: Bytes, message: Bytes): SigningSession {
  const own = sessions.get(keySet) ?? new Map<string, SigningSession>();
  sessions.set(keySet, own);
  const name = toHex(concatBytes(aggNonce, message));
  const session = own.get(name) ?? musig.session({ keySet, aggNonce, message });
  own.delete(name);
  own.set(name, session);
  if (own.size > KEPT_SESSIONS) own.delete(own.keys().next().value!);
  return session;
}

type SetFacts = Parameters<typeof cohortSetStatement>[0];

const statements = new WeakMap<readonly string[], { about: string; statement: Bytes }>();

/** What every member of a set signs (see `cohortSetStatement`); made once for an array of keys, not for every signature. */
export function setStatementOf(facts: SetFacts): Bytes {
  const { participant_pubkeys, ...rest } = facts;
  const about = [rest.aggregator, rest.network, rest.terms_hash, rest.beacon_address].join();
  const known = statements.get(participant_pubkeys);
  if (known?.about === about) return known.statement;
  const statement = cohortSetStatement(facts);
  statements.set(participant_pubkeys, { about, statement });
  return statement;
}

/** Sets whose signatures all verified, by a hash of what was signed and of all signatures. */
const verified = new Set<string>();

/**
 * The first of the set's keys whose signature (64 bytes of hex, in the order of the keys) does not verify; null if all
 * do. A process with many members of one cohort checks their thousand signatures once, not once for each member.
 */
export function wrongSetSigner(facts: SetFacts, signatures: readonly string[]): string | null {
  const statement = setStatementOf(facts);
  // The statement holds the keys; a hex signature has no comma.
  const name = toHex(sha256(concatBytes(statement, utf8(signatures.join()))));
  if (verified.has(name)) return null;
  const wrong = facts.participant_pubkeys.find(
    (key, i) => !curve.verifySchnorr(statement, fromHex(xOnlyOf(key)), fromHex(signatures[i]!)),
  );
  if (wrong !== undefined) return wrong;
  verified.add(name);
  if (verified.size > KEPT) verified.delete(verified.values().next().value!);
  return null;
}
