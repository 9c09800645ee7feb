import { curve } from '#curve';
import type { Network } from '../bitcoin/network.ts';
import { type Bytes, toHex } from '../crypto/index.ts';
import { admissionStatement, optInStatement } from '../messages/index.ts';
import type { KeyStore } from '../shell/keystore.ts';
import type { Actor } from './actor.ts';
import { type DidSigner, type WalletApi, WalletError } from './api.ts';
import type { Asking } from './asking.ts';
import type { Companioning } from './companion/companioning.ts';
import type { Connecting } from './connecting.ts';
import { FALLBACK_REFUSED } from './joining.ts';
import { askRebind, rebindOutcome } from './rebinding.ts';

export interface BelongingParts {
  network: Network;
  keys: KeyStore;
  random: (length: number) => Bytes;
  now: () => number;
  actor: Actor;
  asking: Asking;
  connecting: Connecting;
  /** Own DIDs whose document on the chain lists the beacon of a cohort. */
  listingOf: (cohort: string) => Promise<string[]>;
  /** Says to the companion, where it is the member, what is done about the end of its cohort. */
  endByCompanion: Companioning['end'];
}

/** A listed key's word for a new transport key: its x-only form, and BIP-340 over the statement. */
const vouch = async ({ publicKey, sign }: DidSigner, statement: Bytes) => ({
  pubkey: publicKey.slice(2),
  sig: toHex(await sign(statement)),
});

/** What a wallet does about its seats in cohorts: take one, keep it, give it back. */
export type Belonging = Pick<WalletApi, 'join' | 'ready' | 'release' | 'rebind' | 'leave'>;

export function createBelonging(parts: BelongingParts): Belonging {
  const { network, keys, random, now, actor } = parts;
  const { requireTransport, refusedBy, answer } = parts.asking;
  const { start, reachRelays, introduced, isByHand } = parts.connecting;

  async function join({
    advert,
    invite,
    scheme: wanted,
    voucher,
    allowFallback = false,
  }: Parameters<WalletApi['join']>[0]): ReturnType<WalletApi['join']> {
    const { terms, terms_hash, identity, cohort } = advert;
    if (terms.btc_network !== network)
      throw new WalletError('refused', `the advert is for ${terms.btc_network}, this wallet for ${network}`);
    const scheme = wanted ?? (terms.communication.includes('nip44_v2') ? 'nip44_v2' : terms.communication[0]!);
    if (!terms.communication.includes(scheme))
      throw new WalletError('refused', `the advert takes ${terms.communication.join(', ')}, not ${scheme}`);
    // Before keys are drawn for a seat that is not taken.
    if (terms.policy.type === 'fallback' && !allowFallback)
      throw new WalletError('fallback_not_allowed', FALLBACK_REFUSED);
    await introduced();
    const transport = keys.create('transport').slice(2);
    const participant_pk = keys.create('cohort');
    const statement = optInStatement({ aggregator: identity, network, terms_hash, transport_key: transport });
    const prove = (secret: Bytes): Bytes => curve.signSchnorr(statement, secret, random(32));
    const proof = toHex(keys.lend(participant_pk, prove, 'statement'));
    const listed = { aggregator: identity, terms_hash, transport_key: transport };
    const admission = voucher ? await vouch(voucher, admissionStatement(listed)) : invite && { invite };
    refusedBy(
      await actor.feed({
        type: 'join',
        cohort,
        advert_event: advert.event,
        terms,
        terms_hash,
        identity,
        relays: advert.relays,
        transport,
        scheme,
        ...(allowFallback ? { allow_fallback: true } : {}),
        opt_in: {
          advert_id: terms.id,
          terms_hash,
          participant_pubkey: participant_pk,
          return_interact: `nostr:${transport}`,
          proof,
          ...(admission ? { admission } : {}),
        },
      }),
    );
    await reachRelays();
    if (isByHand(cohort)) return { cohort, participant_pk };
    const phase = await answer(state => {
      const at = state.cohorts.get(cohort)!.phase;
      return at.name === 'asked' ? undefined : at;
    }, 'the opt-in');
    if (phase.name === 'ended') throw new WalletError('refused', phase.reason);
    return { cohort, participant_pk };
  }

  return {
    join,
    async ready(cohort) {
      start();
      const phase = await answer(
        state => {
          const at = state.cohorts.get(cohort)?.phase;
          return at?.name === 'ready' || at?.name === 'ended' ? at : undefined;
        },
        'the cohort set',
        24 * 86_400_000,
      );
      if (phase.name === 'ended') throw new WalletError('refused', phase.reason);
      const { beacon_address, participant_pubkeys } = phase.beacon;
      return { beacon_address, participant_pubkeys };
    },
    async release({ cohort, to }) {
      if (actor.state().cohorts.get(cohort)?.companion) await parts.endByCompanion({ cohort, release: to });
      else refusedBy(await actor.feed({ type: 'agree_release', cohort, to }));
    },
    async rebind(cohort) {
      const member = actor.state().cohorts.get(cohort);
      if (!member) throw new WalletError('unknown_cohort', `this wallet is in no cohort ${cohort}`);
      const transport_key = await askRebind({ actor, keys, random, now }, member);
      await reachRelays();
      if (isByHand(cohort)) return { cohort, transport_key };
      const { refused } = await answer(
        state => rebindOutcome(state.cohorts.get(cohort)!, transport_key),
        'the new transport key',
      );
      if (refused !== null) throw new WalletError('refused', refused);
      return { cohort, transport_key };
    },
    async leave(cohort, { force = false } = {}) {
      requireTransport(cohort);
      start();
      const isReady = actor.state().cohorts.get(cohort)?.phase.name === 'ready';
      const listing = isReady && !force ? await parts.listingOf(cohort) : [];
      refusedBy(await actor.feed({ type: 'leave', cohort, reason: 'the wallet leaves', listing, force }));
      if (isByHand(cohort)) return;
      await answer(({ cohorts }) => {
        const at = cohorts.get(cohort)?.phase;
        return at?.name === 'ended' || (at?.name === 'ready' && at.beacon.leaving) ? true : undefined;
      }, 'leaving');
    },
  };
}
