import type { Daemon } from '../../src/daemon.ts';
import type { Advert } from '../../src/nostr/advert.ts';
import type { AdvertTerms } from '../../src/operator/api.ts';
import type { TestRelay } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { until } from './harness.ts';
import { adverted, formCohort, openRawMember, type RawMember } from './raw-member.ts';

/** A cohort of a real wallet and of a raw member that can be held at any point of the protocol. */
export interface Pair {
  cohort: string;
  advert: Advert;
  address: string;
  bob: RawMember;
  /** The wallet's, listing the beacon from its first document on. */
  did: string;
}

/** Advertises a cohort of two; the wallet and a raw member join it, and the wallet registers a DID. Nothing is funded. */
export async function openPair(
  { aggregator, relay, wallet }: { aggregator: Daemon; relay: TestRelay; wallet: Wallet },
  over: Partial<AdvertTerms> = {},
): Promise<Pair> {
  const { cohort } = await aggregator.api.advertCreate({ cohort_size: { min: 2, max: 2 }, ...over });
  const advert = await adverted(relay, cohort);
  const bob = openRawMember(advert, [relay.url]);
  await wallet.join({ advert });
  const { beacon_address: address } = await formCohort([bob]);
  await wallet.ready(cohort);
  const { did } = await wallet.createDid({ kind: 'x', cohort });
  await wallet.register({ did, cohort });
  return { cohort, advert, address, bob, did };
}

/** A member of two halves and a plain one, in a cohort of two that stands. Nothing is funded, no DID is made. */
export async function openHalves(
  aggregator: Daemon,
  {
    owner,
    companion,
    other,
  }: { owner: Wallet; companion: { companionOpen(): Promise<{ link: string }> }; other: Wallet },
): Promise<{ cohort: string; address: string; link: string }> {
  const { link } = await companion.companionOpen();
  await owner.companionPair({ link });
  await owner.companionPolicy({ feeCapSats: 2_000 });
  const { cohort } = await aggregator.api.advertCreate({ cohort_size: { min: 2, max: 2 } });
  const { advert } = await until('the advert', async () =>
    (await owner.discover({ seconds: 1 })).find(view => view.advert.cohort === cohort),
  );
  await owner.companionJoin({ advert });
  await other.join({ advert });
  const { beacon_address: address } = await owner.ready(cohort);
  return { cohort, address, link };
}
