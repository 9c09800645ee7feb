import { signalBytesOf } from '../../src/bitcoin/index.ts';
import { fromHex, toBase64url, toHex } from '../../src/crypto/index.ts';
import { signalOf } from './tapscript.ts';
import type { World } from './world.ts';

const OVER = new Set(['final', 'replaced', 'refused']);

/** Every user has what it wanted, and nothing is under way any more. */
export const isAtRest = ({ wallets, phase }: World): boolean =>
  wallets.every(member => {
    const updates = member.wallet?.status().dids[0]?.updates ?? [];
    return (
      updates.filter(({ state }) => state === 'final').length >= member.wanted &&
      updates.every(({ state }) => OVER.has(state)) &&
      phase(member.cohort) === 'final'
    );
  });

/**
 * What must hold when a world has come to rest: every acknowledged update is announced exactly once, unless another
 * took its place or it was refused with an answer; and every DID resolves, to just that, from its wallet's sidecar.
 */
export async function judge(world: World): Promise<void> {
  const { oracle, wallets } = world;
  oneSignalAnOutpoint(world);
  const announced = await announcements(world);
  const finals = new Set<string>();
  const lost = new Set<string>(oracle.refused);
  for (const member of wallets) {
    const { wallet, did } = member;
    // Nobody's own: it does what another wallet asks.
    if (member.wanted === 0) continue;
    if (!wallet || did === null) {
      oracle.violate(`${member.role.name} has no DID at the end`);
      continue;
    }
    const updates = wallet.status().dids[0]!.updates;
    for (const { state, announcement } of updates) {
      if (state === 'final') finals.add(announcement);
      if (state === 'replaced' || state === 'refused') lost.add(announcement);
      const times = announced.get(announcement) ?? 0;
      const due = state === 'final' ? 1 : 0;
      if (times !== due) oracle.violate(`${member.role.name}: an update that is ${state} was announced ${times} times`);
    }
    await resolves(
      world,
      member.role.name,
      wallet,
      did,
      updates.filter(({ state }) => state === 'final'),
    );
  }
  for (const { announcement, did, version } of oracle.acked.values())
    if (!finals.has(announcement) && !lost.has(announcement))
      oracle.violate(`version ${version} of ${did} was acknowledged and is neither announced nor answered`);
}

/** Of all that was ever complete, by whichever path and in whichever attempt, an outpoint has one signal at most. */
function oneSignalAnOutpoint({ oracle, chain }: World): void {
  const said = new Map<string, string>();
  for (const { txid, hex } of chain.everValid()) {
    const { outpoint, bytes } = signalOf(hex);
    if (bytes === null) continue;
    const before = said.get(outpoint);
    if (before !== undefined && before !== bytes) oracle.violate(`${txid} is a second signal of ${outpoint}`);
    said.set(outpoint, bytes);
  }
}

async function resolves(
  { clock, oracle }: World,
  name: string,
  wallet: NonNullable<World['wallets'][number]['wallet']>,
  did: string,
  finals: { version: number; announcement: string }[],
): Promise<void> {
  let said: string | null = null;
  wallet.resolve({ did, minConf: 6 }).then(
    ({ versionId, updates }) => {
      const expected = finals.map(({ announcement }) => toBase64url(fromHex(announcement, 32)));
      const found = updates.map(({ updateHash }) => updateHash);
      const isRight = Number(versionId) === finals.length + 1 && expected.every((hash, i) => hash === found[i]);
      said = isRight ? '' : `version ${versionId} with ${found.join()}, expected ${expected.join()}`;
    },
    error => {
      said = String(error);
    },
  );
  await clock.run(() => said !== null, 60_000);
  if (said !== '') oracle.violate(`${name}: ${did} does not resolve: ${said ?? 'no answer'}`);
}

async function spendsOf({ oracle, chain, cohortId }: World, cohort: number) {
  const state = oracle.cohort(cohortId(cohort) ?? '');
  if (state?.phase.name !== 'formed') return [];
  return (await chain.truth.spends(state.phase.beacon.address)).filter(({ height }) => height !== null);
}

/** How often each update was announced by what the chain holds in the end. */
async function announcements(world: World): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  for (const cohort of new Set(world.wallets.map(member => member.cohort))) {
    for (const { txid, hex } of await spendsOf(world, cohort)) {
      const bytes = signalBytesOf(hex);
      // Money that moves announces nothing.
      if (bytes === null) continue;
      const session = [...world.oracle.sessions.values()].find(({ signal_bytes }) => signal_bytes === toHex(bytes));
      if (!session) {
        world.oracle.violate(`${txid} is a signal of no session`);
        continue;
      }
      for (const { announcement } of session.updates) times.set(announcement, (times.get(announcement) ?? 0) + 1);
    }
  }
  return times;
}
