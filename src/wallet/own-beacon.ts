import { BitcoinFormatError, COINBASE_CONFIRMATIONS, confirmations, parseTx } from '../bitcoin/index.ts';
import type { Network } from '../bitcoin/network.ts';
import {
  buildSingletonSignal,
  SCRIPT_KINDS,
  type ScriptKind,
  SingletonUnfunded,
  type SingletonUtxo,
  signSingletonSignal,
  singletonDeposit,
  type UnsignedSingletonSignal,
} from '../bitcoin/singleton.ts';
import type { Chain } from '../chain/types.ts';
import type { ChainView } from '../cohort/index.ts';
import { type Bytes, fromHex, toHex } from '../crypto/index.ts';
import {
  announcementOf,
  beaconServices,
  type DidDocument,
  type SignedUpdate,
  singletonAddresses,
} from '../did/index.ts';
import type { Eye } from '../shell/eye.ts';
import type { KeyStore } from '../shell/keystore.ts';
import type { Actor } from './actor.ts';
import { type Announced, type SingletonFunding, WalletError } from './api.ts';
import type { OwnSignal, WalletDid, WalletUpdate } from './core.ts';
import { isAlive, signalInFlight } from './singleton.ts';

/** Satoshis that a signal of the own beacon may cost unless told otherwise. */
const FEE_CAP_SATS = 5_000;
/** A deposit that a reorganization takes away only means that the same bytes are announced again. */
const MIN_DEPTH = 1;

export interface OwnBeaconParts {
  network: Network;
  chain: Chain | null;
  eye: Eye | null;
  keys: KeyStore;
  random: (length: number) => Bytes;
  actor: Pick<Actor, 'state' | 'feed' | 'lookAll'>;
}

export interface OwnBeacon {
  /** Announces a signed update by a beacon that `document`, the version before it, lists for the wallet's own key. */
  announce(request: {
    own: WalletDid;
    document: DidDocument;
    update: SignedUpdate;
    /** The document that it makes. */
    target: DidDocument;
    cohorts: string[];
    feeCapSats?: number | undefined;
  }): Promise<Announced>;
  funding(own: WalletDid, document: DidDocument): Promise<SingletonFunding>;
}

/** A singleton beacon of the document that the wallet's key alone controls, as the chain shows it. */
interface Candidate {
  address: string;
  kind: ScriptKind;
  view: ChainView;
  utxos: SingletonUtxo[];
  waiting_sats: number;
}

/** The controller's own beacon (did:btcr2, Beacons, Singleton): it needs nobody else, and is the way into a cohort and out of it. */
export function createOwnBeacon({ network, chain, eye, keys, random, actor }: OwnBeaconParts): OwnBeacon {
  async function candidates(own: WalletDid, document: DidDocument): Promise<Candidate[]> {
    if (!chain || !eye) throw new WalletError('no_chain', 'a signal of the own beacon needs a view of the chain');
    const addresses = singletonAddresses(fromHex(own.public_key, 33), network);
    const listed = beaconServices(document).filter(({ type }) => type === 'SingletonBeacon');
    const kinds = SCRIPT_KINDS.filter(kind => listed.some(({ address }) => address === addresses[kind]));
    if (kinds.length === 0)
      throw new WalletError('refused', `the document of ${own.did} lists no beacon of this wallet's key`);
    return Promise.all(
      kinds.map(async kind => {
        const view = await eye.look(addresses[kind]);
        return { address: addresses[kind], kind, view, ...moneyOf(view) };
      }),
    );
  }

  function build(own: WalletDid, { kind, view, utxos }: Candidate, announcement: Bytes, feeCapSats: number) {
    return buildSingletonSignal({
      utxos,
      scriptKind: kind,
      publicKey: fromHex(own.public_key, 33),
      network,
      announcement,
      feeRate: view.fee_rate,
      feeCapSats,
    });
  }

  /** The first beacon that has the money, else why the likeliest one has not. */
  function firstFunded(own: WalletDid, beacons: Candidate[], announcement: Bytes, feeCapSats: number) {
    let failed: { beacon: Candidate; error: SingletonUnfunded } | null = null;
    for (const beacon of beacons)
      try {
        return { beacon, unsigned: build(own, beacon, announcement, feeCapSats) };
      } catch (error) {
        if (error instanceof BitcoinFormatError) throw new WalletError('refused', error.message);
        if (!(error instanceof SingletonUnfunded)) throw error;
        if (!failed || moneyIn(beacon) > moneyIn(failed.beacon)) failed = { beacon, error };
      }
    return failed!;
  }

  function sign(own: WalletDid, unsigned: UnsignedSingletonSignal): OwnSignal {
    const { hex, txid } = signSingletonSignal(unsigned, use => keys.lend(own.public_key, use), random);
    const inputs = unsigned.inputs.map(input => `${input.txid}:${input.vout}`);
    return { address: unsigned.address, txid, hex, inputs, fee_sats: unsigned.feeSats };
  }

  /** Signs a new signal, unless one of the same bytes can still do. */
  function signalFor(own: WalletDid, beacons: Candidate[], announcement: string, feeCapSats: number) {
    const known = knownUpdate(actor.state().dids.get(own.did), announcement)?.own_signals ?? [];
    for (const { address, view } of beacons) {
      const signal = known.find(held => held.address === address && isAlive(held, announcement, view));
      if (signal) return { signal, view, isNew: false };
    }
    const busy = beacons.map(({ address, view }) => signalInFlight(actor.state(), announcement, address, view));
    const free = beacons.filter((_, i) => busy[i] === null);
    if (free.length === 0) throw new WalletError('version_busy', busy[0]!);
    const found = firstFunded(own, free, fromHex(announcement, 32), feeCapSats);
    if ('error' in found) throw new WalletError('unfunded', unfundedText(found.beacon, found.error));
    return { signal: sign(own, found.unsigned), view: found.beacon.view, isNew: true };
  }

  return {
    async announce({ own, document, update, target, cohorts, feeCapSats = FEE_CAP_SATS }) {
      const { did } = own;
      const announcement = toHex(announcementOf(update));
      const beacons = await candidates(own, document);
      const { signal, view, isNew } = signalFor(own, beacons, announcement, feeCapSats);
      if (isNew || cohorts.length > 0) {
        const input = { type: 'submit_update' as const, did, update, document: target, cohorts };
        const refused = await actor.feed(isNew ? { ...input, own_signal: signal } : input, view);
        if (refused !== null) throw new WalletError('version_busy', refused);
      }
      // It is stored by now, and sent again by every look; asked once more, the node says what it makes of it.
      const text = await submitted(chain!, signal.hex);
      await actor.lookAll();
      const { version, state } = knownUpdate(actor.state().dids.get(did), announcement)!;
      const { address, txid, fee_sats } = signal;
      return { did, version, announcement, cohorts, state, singleton: { address, txid, fee_sats, text } };
    },

    async funding(own, document) {
      const beacons = await candidates(own, document);
      const found = firstFunded(own, beacons, new Uint8Array(32), FEE_CAP_SATS);
      const { address, kind, utxos, waiting_sats, view } = found.beacon;
      return {
        did: own.did,
        address,
        kind,
        balance_sats: sum(utxos),
        waiting_sats,
        needed_sats: 'error' in found ? singletonDeposit(kind, view.fee_rate, FEE_CAP_SATS) : 0,
      };
    },
  };
}

const knownUpdate = (own: WalletDid | undefined, announcement: string): WalletUpdate | undefined =>
  own?.updates.find(known => known.announcement === announcement);

const sum = (utxos: readonly SingletonUtxo[]): number => utxos.reduce((total, { value_sats }) => total + value_sats, 0);
const moneyIn = ({ utxos, waiting_sats }: Candidate): number => sum(utxos) + waiting_sats;

function unfundedText({ address, utxos, waiting_sats }: Candidate, { neededSats }: SingletonUnfunded): string {
  const waiting = waiting_sats === 0 ? '' : `, ${waiting_sats} sat more wait for a block`;
  return `the beacon address ${address} holds ${sum(utxos)} sat that can be spent${waiting}: a signal needs ${neededSats} sat more, in one payment`;
}

/**
 * What can be spent at an address, and the satoshis that cannot yet. Amounts are read from the transactions themselves:
 * the signature of a P2PKH input does not cover them, so a source that lies could make the wallet burn the rest as a fee.
 */
function moneyOf(view: ChainView): Pick<Candidate, 'utxos' | 'waiting_sats'> {
  const utxos: SingletonUtxo[] = [];
  let waiting_sats = 0;
  for (const { txid, vout, height, coinbase } of view.utxos) {
    const hex = view.history.find(tx => tx.txid === txid)?.hex;
    const tx = hex === undefined ? undefined : parseTx(hex);
    const value_sats = tx?.txid === txid ? tx.outputs[vout]?.value_sats : undefined;
    if (value_sats === undefined || value_sats === 0) continue;
    const needed = coinbase ? COINBASE_CONFIRMATIONS : MIN_DEPTH;
    if (confirmations(height, view.tip.height) >= needed) utxos.push({ txid, vout, value_sats });
    else waiting_sats += value_sats;
  }
  return { utxos, waiting_sats };
}

/** Null if the node has it now, else why not: it stays stored and is sent again. */
async function submitted(chain: Chain, hex: string): Promise<string | null> {
  try {
    const result = await chain.submit(hex);
    return result.accepted ? null : result.reason;
  } catch (error) {
    return error instanceof Error ? error.message : 'the chain backend does not answer';
  }
}
