import { describe, expect, test } from 'vitest';
import type { Body } from '../../src/messages/index.ts';
import type { Advert } from '../../src/nostr/advert.ts';
import type { Actor } from '../../src/wallet/actor.ts';
import { createAsking } from '../../src/wallet/asking.ts';
import type { Controlling } from '../../src/wallet/controlling.ts';
import type { Input, WalletState } from '../../src/wallet/core.ts';
import { createSucceeding, forgetRetired, type SucceedingParts } from '../../src/wallet/succeeding.ts';
import { lied } from './core/given.ts';
import { newLiar } from './core/liar.ts';

const LINK = 'nostr+btcr2://eyJ2IjoxfQ';

/** A wallet in a cohort that ends, and in a second one; what it is fed is kept. */
function given(named: Partial<NonNullable<NonNullable<Body<'cohort_status'>['succession']>['successor']>> = {}) {
  const { wallet, liar, world } = lied();
  const next = newLiar(world, wallet, 'next');
  next.form();
  const { terms_hash, identity } = wallet.membership(next.cohort);
  const successor = { terms_hash, link: LINK, beacon_address: null, ...named };
  liar.say({
    type: 'cohort_status',
    body: {
      beacon_address: liar.address,
      number: 1,
      leaving: [],
      gone: [],
      succession: { stage: 'updating', deadline: 2_000_000_000, successor },
      text: 'we move on',
    },
  });
  const fed: Input[] = [];
  const deleted: string[] = [];
  const ordered: Parameters<SucceedingParts['endByCompanion']>[0][] = [];
  let isHere = true;
  const keys = {
    create: () => '',
    has: () => isHere,
    lend: () => expect.fail('no secret is needed'),
    deleteCohortKey: (key: string) => deleted.push(key) > 0,
  };
  const run = (state: WalletState, adverts: Advert[] = [], more: { deleteKey?: true; abandon?: true } = {}) => {
    const actor = {
      state: () => state,
      lookAll: async () => {},
      feed: async (input: Input) => {
        fed.push(input);
        return null;
      },
    } as unknown as Actor;
    return createSucceeding({
      actor,
      keys,
      eye: { look: async () => world.chain.view(liar.script) } as never,
      asking: createAsking({ actor, keys }),
      controlling: {} as Controlling,
      endByCompanion: async order => void ordered.push(order),
      discover: async () => adverts.map(advert => ({ advert, open: true })),
    }).succession({ cohort: liar.cohort, ...more });
  };
  /** The second cohort is of the same aggregator. */
  const followed = (): WalletState => {
    const cohorts = new Map(wallet.state.cohorts);
    cohorts.set(next.cohort, { ...wallet.membership(next.cohort), identity: wallet.membership(liar.cohort).identity });
    return { ...wallet.state, cohorts };
  };
  const moveKeyAway = (): void => {
    isHere = false;
  };
  return { ordered, moveKeyAway, wallet, liar, next, world, fed, deleted, keys, run, followed, terms_hash, identity };
}

describe('the advert that an aggregator names as the successor', () => {
  const advertBy = (identity: string, terms_hash: string) => ({ identity, terms_hash }) as Advert;

  test('is shown to be joined if it is by the same aggregator, with the terms that were named', async () => {
    const { wallet, liar, run, terms_hash } = given();
    const own = advertBy(wallet.membership(liar.cohort).identity, terms_hash);
    expect(await run(wallet.state, [own])).toMatchObject({ step: 'join', advert: own, successor: null });
  });

  test('is refused if somebody else signed it, if it has other terms, and if nobody has it', async () => {
    const { wallet, liar, run, terms_hash, identity } = given();
    const theirs = wallet.membership(liar.cohort).identity;
    await expect(run(wallet.state, [advertBy(identity, terms_hash)])).rejects.toThrow(/not by this aggregator/);
    await expect(run(wallet.state, [advertBy(theirs, 'ab'.repeat(32))])).rejects.toThrow(/other terms/);
    await expect(run(wallet.state)).rejects.toThrow(/not found/);
  });

  test('is not a cohort of another aggregator, although the wallet is in it and the terms are those', async () => {
    const { wallet, run, fed } = given();
    await expect(run(wallet.state)).rejects.toThrow(/not found/);
    expect(fed).toEqual([]);
  });
});

test('the money is agreed to go to the beacon that this wallet saw formed, whatever address the aggregator says', async () => {
  const { liar, next, run, followed, fed } = given({
    beacon_address: 'bcrt1pqqqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sj9hjuh',
  });
  expect(await run(followed())).toMatchObject({ step: 'moving', successor: next.cohort });
  expect(fed).toEqual([{ type: 'agree_release', cohort: liar.cohort, to: next.address }]);
});

test('a key that a crash left behind after its membership was retired is deleted at the next start', () => {
  const { wallet, liar, keys, deleted } = given();
  const { participant_pk } = wallet.membership(liar.cohort);
  const start = () => forgetRetired({ actor: { state: () => wallet.state } as unknown as Actor, keys });
  start();
  expect(deleted).toEqual([]);
  wallet.feed({ type: 'retire', cohort: liar.cohort, listing: [], abandon: true });
  start();
  expect(deleted).toEqual([participant_pk]);
});

test('a key that lives elsewhere is not said to be deleted', async () => {
  const { run, followed, fed, moveKeyAway } = given();
  moveKeyAway();
  await expect(run(followed(), [], { deleteKey: true, abandon: true })).rejects.toThrow(/not in this wallet/);
  expect(fed.map(({ type }) => type)).toEqual(['agree_release']);
});

test('of a seat that is the companion’s the companion is told where the money goes, and to delete its key by itself', async () => {
  const { liar, run, followed, fed, ordered, next, deleted } = given();
  const state = followed();
  state.cohorts.set(liar.cohort, { ...state.cohorts.get(liar.cohort)!, companion: 'ab'.repeat(32) });
  expect(await run(state)).toMatchObject({ by_companion: true, step: 'moving' });
  const about = { cohort: liar.cohort, release: next.address };
  expect(ordered).toEqual([about]);
  expect(await run(state, [], { deleteKey: true })).toMatchObject({
    step: 'delete_key',
    next: expect.stringMatching(/the companion deletes the cohort key by itself/),
  });
  expect(ordered.at(-1)).toEqual({ ...about, deleteKey: true, abandon: false });
  expect(fed).toEqual([]);
  expect(deleted).toEqual([]);
});
