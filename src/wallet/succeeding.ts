import { listsBeacon } from '../cohort/listing.ts';
import { applyUpdate, type DidDocument } from '../did/index.ts';
import type { Advert } from '../nostr/advert.ts';
import type { Eye } from '../shell/eye.ts';
import type { KeyStore } from '../shell/keystore-types.ts';
import type { Actor } from './actor.ts';
import { type WalletApi, WalletError } from './api.ts';
import type { Asking } from './asking.ts';
import { beaconPatch } from './beacon-patch.ts';
import type { Companioning } from './companion/companioning.ts';
import type { Controlling } from './controlling.ts';
import { beaconOf, concernedDids, type MemberBeacon, type Membership, provenBeaconOf, type WalletDid } from './core.ts';
import { keyNeeded } from './succession.ts';
import type { ExitResult, SuccessionApi, SuccessionProgress, SuccessionStep } from './succession-api.ts';

export interface SucceedingParts {
  actor: Actor;
  keys: KeyStore;
  eye: Eye | null;
  asking: Asking;
  controlling: Controlling;
  discover: WalletApi['discover'];
  /** Says to the companion, where it is the member, what is done about the end of its cohort. */
  endByCompanion: Companioning['end'];
}

/** A own DID with the document that the chain shows. */
interface Held {
  own: WalletDid;
  document: DidDocument;
  version: number;
  deactivated: boolean;
}

/** Deletes the cohort keys of memberships that were retired: a crash may have come between the two. */
export function forgetRetired({ actor, keys }: Pick<SucceedingParts, 'actor' | 'keys'>): void {
  for (const { phase, participant_pk } of actor.state().cohorts.values())
    if (phase.name === 'retired') keys.deleteCohortKey(participant_pk);
}

/** What a member does when its cohort ends or loses a member, step by step. */
export function createSucceeding(parts: SucceedingParts): SuccessionApi & {
  /** Own DIDs whose document on the chain lists the beacon of a cohort. */
  listingOf(cohort: string): Promise<string[]>;
} {
  const { actor, keys, eye, discover, endByCompanion } = parts;
  const { readyBeacon, refusedBy, didOf } = parts.asking;
  const { resolveOwn, register, update, announce } = parts.controlling;

  const shown = new Set<string>();

  function membershipOf(cohort: string): { membership: Membership; beacon: MemberBeacon } {
    const membership = actor.state().cohorts.get(cohort);
    if (!membership) throw new WalletError('unknown_cohort', `this wallet is in no cohort ${cohort}`);
    const beacon = provenBeaconOf(membership);
    if (!beacon) throw new WalletError('not_ready', `the cohort is ${membership.phase.name}`);
    return { membership, beacon };
  }

  /** Own DIDs that the beacon concerns, as the chain shows them. */
  async function heldAt(beacon: MemberBeacon): Promise<Held[]> {
    const held: Held[] = [];
    for (const did of concernedDids(actor.state(), beacon)) {
      const own = actor.state().dids.get(did);
      if (!own) continue;
      const { document, versionId, deactivated } = await resolveOwn(own);
      held.push({ own, document, version: Number(versionId), deactivated: deactivated === true });
    }
    return held;
  }

  const lists = ({ document, deactivated }: Held, { beacon_address }: MemberBeacon): boolean =>
    !deactivated && listsBeacon(document, beacon_address);

  async function listingOf(cohort: string): Promise<string[]> {
    const { beacon } = membershipOf(cohort);
    return (await heldAt(beacon)).filter(held => lists(held, beacon)).map(({ own }) => own.did);
  }

  /** The membership in the cohort that the aggregator named; the terms are unique, whichever event of theirs was joined by. */
  const successorOf = ({ identity }: Membership, termsHash: string): Membership | null =>
    [...actor.state().cohorts.values()].find(
      other => other.identity === identity && other.terms_hash === termsHash && other.phase.name !== 'ended',
    ) ?? null;

  /** The advert that the aggregator named, if it is what it says: a link from somebody else would lead anywhere. */
  async function advertOf({ identity }: Membership, named: { terms_hash: string; link: string }): Promise<Advert> {
    const [found] = await discover({ link: named.link, all: true });
    if (!found) throw new WalletError('refused', 'the advert of the successor was not found on its relays');
    if (found.advert.terms_hash !== named.terms_hash || found.advert.identity !== identity)
      throw new WalletError('refused', 'the advert behind the link is not by this aggregator, or has other terms');
    return found.advert;
  }

  /** The update of a DID that is on its way, and whether it takes the beacon out. */
  function underWay({ own, document, version }: Held, beacon: MemberBeacon): { text: string } | null {
    const next = own.updates.findLast(
      known => known.version === version + 1 && known.state !== 'replaced' && known.state !== 'refused',
    );
    if (!next) return null;
    const target = applyUpdate({ did: own.did, document, versionId: version, update: next.update });
    const what = listsBeacon(target, beacon.beacon_address) ? ', and another one has to follow it' : '';
    return { text: `version ${next.version} of ${own.did} is ${next.state}${what}` };
  }

  /** Registers a DID with the successor, and sends the old cohort the update that moves it there. */
  async function moveDid({ own, document }: Held, cohort: string, next: Membership | null): Promise<string[]> {
    const { beacon } = readyBeacon(cohort);
    const { did } = own;
    const done: string[] = [];
    const target = next && beaconOf(next);
    if (next && target?.registrations.get(did)?.name !== 'held') {
      const { asked } = await register({ did, cohort: next.cohort });
      // Carried by hand, the answer has to be here before the document may list that beacon.
      if (asked) return [`asked to register ${did} in ${next.terms.id}`];
      done.push(`registered ${did} in ${next.terms.id}`);
    }
    const add = next && target ? { type: next.terms.type, address: target.beacon_address } : null;
    const patch = beaconPatch(document, beacon.beacon_address, add);
    if (patch === null)
      throw new WalletError('refused', `${did} lists no other beacon: without one it could never change again`);
    const { version } = await update({ did, patch, cohorts: [cohort] });
    done.push(`sent version ${version} of ${did}, which takes the old beacon out`);
    return done;
  }

  /**
   * The old cohort learns of versions that it did not announce itself, once a process: its operator waits for DIDs that it
   * believes to list the beacon. Nothing of the member's own hangs on it, so an aggregator that is gone holds nothing up.
   */
  async function showVersions(cohort: string, held: readonly Held[]): Promise<void> {
    const beacon = beaconOf(membershipOf(cohort).membership);
    for (const { own, version } of held) {
      const { did } = own;
      const last = own.updates.find(known => known.version === version && known.state === 'final');
      const isKnown = !last || last.cohorts.includes(cohort) || shown.has(`${cohort} ${did} ${version}`);
      if (isKnown || beacon?.registrations.get(did)?.name !== 'held') continue;
      shown.add(`${cohort} ${did} ${version}`);
      try {
        await register({ did, cohort });
      } catch (error) {
        if (!(error instanceof WalletError)) throw error;
      }
    }
  }

  async function succession({
    cohort,
    alone = false,
    deleteKey = false,
    abandon = false,
  }: Parameters<SuccessionApi['succession']>[0]): Promise<SuccessionProgress> {
    forgetRetired({ actor, keys });
    const first = membershipOf(cohort).membership;
    const advert_id = first.terms.id;
    const did: string[] = [];
    const at = (step: SuccessionStep, next: string, more: Partial<SuccessionProgress> = {}): SuccessionProgress => ({
      cohort,
      advert_id,
      step,
      did,
      next,
      successor: null,
      advert: null,
      listing: [],
      by_companion: first.companion !== undefined,
      ...more,
    });
    const isRetired = (): boolean => membershipOf(cohort).membership.phase.name === 'retired';
    const over = (): SuccessionProgress =>
      at('done', 'nothing: the cohort key is deleted; proofs are kept, and fetched, for ever');
    if (isRetired()) return over();
    const byCompanion = first.companion !== undefined;
    await actor.lookAll();
    // A companion may have said just now that it has deleted its key.
    if (isRetired()) return over();
    const { membership, beacon } = readyBeacon(cohort);
    const { status, leaving } = beacon;
    const isGone = (status?.gone.length ?? 0) > 0;
    if (!status?.succession && !isGone && !leaving)
      throw new WalletError(
        'refused',
        'the aggregator has not said that this cohort ends, nor this wallet that it leaves',
      );
    const named = alone || leaving ? null : (status?.succession?.successor ?? null);
    const next = named && successorOf(membership, named.terms_hash);
    if (named && !next)
      return at('join', `join the successor: btcr2-wallet join ${named.link}`, {
        advert: await advertOf(membership, named),
      });
    if (next && !beaconOf(next))
      return at('forming', `${next.terms.id} has to form: it is ${next.phase.name}`, { successor: next.cohort });
    const successor = next?.cohort ?? null;

    const held = await heldAt(beacon);
    const staying = held.filter(each => lists(each, beacon));
    const listing = staying.map(({ own }) => own.did);
    if (isGone && staying.length > 0)
      return at('exit', `a member is gone: btcr2-wallet exit ${advert_id}`, { successor, listing });
    const waiting: string[] = [];
    for (const each of staying) {
      const busy = underWay(each, beacon);
      if (busy) waiting.push(busy.text);
      else did.push(...(await moveDid(each, cohort, next)));
    }
    if (staying.length > 0) {
      const text = ['the last signal of this cohort has to be six blocks deep', ...waiting].join('; ');
      return at('last_signal', text, { successor, listing });
    }
    await showVersions(cohort, held);

    const target = next && beaconOf(next)?.beacon_address;
    if (target && beacon.release !== target) {
      if (byCompanion) await endByCompanion({ cohort, release: target });
      else refusedBy(await actor.feed({ type: 'agree_release', cohort, to: target }));
      did.push(`agreed that the money goes to ${target}, the beacon of ${next.terms.id}`);
    }
    const chain = eye && (await eye.look(beacon.beacon_address));
    const needed = keyNeeded(actor.state(), membershipOf(cohort).membership, beacon, { listing, abandon, chain });
    if (byCompanion && deleteKey) {
      const release = target ?? beacon.release;
      await endByCompanion({ cohort, release, deleteKey, abandon });
      did.push('told the companion to delete the cohort key as soon as nothing needs it');
      const why = needed === null ? '' : `: ${needed}`;
      return isRetired()
        ? at('done', 'nothing; the companion has deleted the cohort key', { successor })
        : at('delete_key', `the companion deletes the cohort key by itself, once nothing needs it${why}`, {
            successor,
          });
    }
    if (needed !== null && deleteKey) throw new WalletError('refused', needed);
    if (needed !== null && !target && beacon.release === null && !isGone) {
      const claimed = status?.succession?.successor?.beacon_address;
      const where = claimed ? `; the aggregator says ${claimed}, and nothing here can check that` : '';
      return at('release', `say where the money may go: btcr2-wallet release ${advert_id} ADDRESS${where}`, {
        successor,
      });
    }
    if (needed !== null) return at('moving', needed, { successor });
    if (!deleteKey)
      return at('delete_key', `nothing needs the cohort key: btcr2-wallet succession ${advert_id} --delete-key`, {
        successor,
      });
    // A key that lives elsewhere, as on a companion, would go on signing there while this wallet says that it is gone.
    if (!keys.has(membership.participant_pk))
      throw new WalletError('refused', 'the cohort key is not in this wallet: it has to be deleted where it is');
    refusedBy(await actor.feed({ type: 'retire', cohort, listing, abandon }, chain));
    forgetRetired({ actor, keys });
    did.push('deleted the cohort key: this beacon signals nothing more');
    return at('done', 'nothing; delete old copies of the keys too, wherever they are', { successor });
  }

  async function leaveOne({ own, document }: Held, beacon: MemberBeacon, feeCapSats: number | undefined) {
    const { did } = own;
    const fee = feeCapSats === undefined ? {} : { feeCapSats };
    const patch = beaconPatch(document, beacon.beacon_address, null);
    if (patch === null)
      throw new WalletError('refused', `${did} lists no other beacon: without one it could never change again`);
    try {
      const { singleton } = await update({ did, patch, via: 'singleton', ...fee });
      return { state: 'announced' as const, txid: singleton?.txid ?? null, text: singleton?.text ?? null };
    } catch (error) {
      if (!(error instanceof WalletError) || error.code !== 'version_busy') throw error;
      const { singleton, version } = await announce({ did, via: 'singleton', ...fee });
      const latest = didOf(did).updates.find(known => known.version === version && known.state !== 'replaced');
      const isLeaving = latest?.names !== null && !latest?.names.includes(beacon.beacon_address);
      return {
        state: isLeaving ? ('announced' as const) : ('again' as const),
        txid: singleton?.txid ?? null,
        text: singleton?.text ?? null,
      };
    }
  }

  async function exit({ cohort, feeCapSats }: Parameters<SuccessionApi['exit']>[0]): Promise<ExitResult> {
    await actor.lookAll();
    const { membership, beacon } = membershipOf(cohort);
    const dids: ExitResult['dids'] = [];
    const all = await heldAt(beacon);
    for (const held of all) {
      const { did } = held.own;
      if (!lists(held, beacon)) {
        if (held.own.named.has(beacon.beacon_address)) dids.push({ did, state: 'left', txid: null, text: null });
        continue;
      }
      try {
        dids.push({ did, ...(await leaveOne(held, beacon, feeCapSats)) });
      } catch (error) {
        if (!(error instanceof WalletError)) throw error;
        dids.push({ did, state: 'failed', txid: null, text: `${error.code}: ${error.message}` });
      }
    }
    await showVersions(
      cohort,
      all.filter(held => !lists(held, beacon)),
    );
    return { cohort, advert_id: membership.terms.id, dids };
  }

  return { succession, exit, listingOf };
}
