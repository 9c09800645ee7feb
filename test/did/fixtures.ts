import { curve } from '#curve';
import { type Bytes, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import {
  type BeaconSpend,
  type DidDocument,
  DidError,
  draftUpdate,
  encodeDid,
  type Patch,
  type SignalSource,
  type SignedUpdate,
  signUpdate,
} from '../../src/did/index.ts';
import { type BitOrder, buildTree, encodeProof, leafIndex, leafValue, type SmtProof } from '../../src/smt/index.ts';

/** A controller with one key, whose secret is the number repeated. */
export function controllerOf(seed: number) {
  const secret = new Uint8Array(32).fill(seed);
  const publicKey = curve.publicKey(secret);
  return {
    publicKey,
    did: encodeDid({ version: 1, network: 'regtest', kind: 'key', genesisBytes: publicKey }),
    signer: (hash: Bytes) => curve.signSchnorr(hash, secret, new Uint8Array(32)),
  };
}

export type Controller = ReturnType<typeof controllerOf>;

/** A signed update of a document, by the first key of its `capabilityInvocation` unless told. */
export function updateOf(
  controller: Controller,
  document: DidDocument,
  versionId: number,
  patch: Patch,
  verificationMethod = document.capabilityInvocation?.[0] as string,
): Promise<SignedUpdate> {
  const { id: did } = document;
  const unsigned = draftUpdate({ document, versionId, patch });
  return signUpdate(unsigned, { did, verificationMethod, signer: controller.signer });
}

/** A chain in memory. Heights are given; the mediantime of a block is its height times 600. */
export function memoryChain(tipHeight = 1000) {
  const spends: (BeaconSpend & { address: string })[] = [];
  const scans: { address: string; fromHeight: number }[] = [];
  const source: SignalSource = {
    tip: async () => ({ height: tipHeight }),
    spends: async (address, fromHeight) => {
      scans.push({ address, fromHeight });
      return spends.filter(spend => spend.address === address && spend.height >= fromHeight);
    },
  };
  return {
    source,
    /** What was asked of the source, in order. */
    scans,
    /** Mines a spend whose last output is `OP_RETURN <bytes>`, or any other script in hex. */
    signal(address: string, height: number, bytes: Bytes | string): string {
      const txid = toHex(sha256(utf8(`${address} ${height} ${spends.length}`)));
      const lastOutputScript = typeof bytes === 'string' ? bytes : `6a20${toHex(bytes)}`;
      spends.push({ address, txid, height, blockTime: height * 600, lastOutputScript });
      return txid;
    },
  };
}

/** The tree of an SMT signal: its root, and a proof for each of the given DIDs; those without an entry are empty indices. */
export function smtSignal(
  entries: Record<string, { nonce?: Bytes; announcement?: Bytes }>,
  order: BitOrder = 'spec',
): { root: Bytes; proof(did: string): SmtProof } {
  const leaves = Object.entries(entries).map(([did, parts]) => ({ index: leafIndex(did), value: leafValue(parts) }));
  const tree = buildTree(leaves, { order });
  return {
    root: tree.root,
    proof: did => encodeProof({ root: tree.root, branch: tree.prove(leafIndex(did)), ...entries[did] }),
  };
}

/** The error code that something fails with; the error itself where it is no DidError. */
export async function codeOf(run: () => unknown): Promise<unknown> {
  const error = await failureOf(run);
  return error instanceof DidError ? error.code : error;
}

export async function failureOf(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return 'nothing thrown';
}
