import { describe, expect, test } from 'vitest';
import { applyPatch, applyUpdate, type DidDocument, parseDocument } from '../../src/did/index.ts';
import {
  answer,
  type Cohort,
  checkControl,
  deliver,
  formed,
  fund,
  register,
  registration,
  type Sent,
  sentOf,
  update,
} from './driver.ts';
import { addService, type Controller, type Member, updateOf } from './members.ts';

/** Small, seeded, and the same everywhere (mulberry32). */
function dice(seed: number) {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const upTo = (limit: number): number => Math.floor(next() * limit);
  return { upTo, pick: <T>(items: readonly T[]): T => items[upTo(items.length)]! };
}

interface Owner {
  controller: Controller;
  member: Member;
  document: DidDocument;
  version: number;
}

/** What the log says was signed: no partial signature exists before the aggregated nonce is out. */
function expectSound(cohort: Cohort): void {
  const announced = new Map<string, string>();
  const pinned = new Map<string, string>();
  let session: Extract<(typeof cohort.log)[number], { type: 'session_requested' }> | undefined;
  for (const event of cohort.log) {
    if (event.type === 'session_requested') session = event;
    if (event.type !== 'nonces_aggregated') continue;
    const { outpoint, signal_bytes, updates } = session!.frozen;
    const spent = `${outpoint.txid}:${outpoint.vout}`;
    expect(pinned.get(spent) ?? signal_bytes).toBe(signal_bytes);
    pinned.set(spent, signal_bytes);
    for (const { did, version, announcement } of updates) {
      const slot = `${did} ${version}`;
      // One version, one update, for ever: a second one on chain destroys the DID.
      expect(announced.get(slot) ?? announcement).toBe(announcement);
      announced.set(slot, announcement);
    }
  }
}

/** Every DID resolves: its signals, in chain order, carry updates that apply one after the other. */
function expectResolvable(cohort: Cohort, owner: Owner): void {
  let { document } = owner.controller;
  let versionId = 1;
  for (const signal of cohort.beacon.signals)
    for (const { did, announcement } of signal.frozen.updates) {
      if (did !== owner.controller.did) continue;
      const queued = cohort.beacon.updates.get(did)!.find(each => each.announcement === announcement)!;
      document = applyUpdate({ did, document, versionId, update: queued.update });
      versionId++;
    }
}

async function act(cohort: Cohort, owners: Owner[], { upTo, pick }: ReturnType<typeof dice>): Promise<void> {
  const member = pick(cohort.members);
  const stage = cohort.beacon.round?.stage;
  const session_id = stage && 'session' in stage ? stage.session.id : null;
  switch (upTo(40)) {
    case 0:
    case 1: {
      const owner = pick(owners);
      const ahead = upTo(3) === 0;
      const patch = addService(`service-${upTo(1000)}`);
      const queue = cohort.beacon.updates.get(owner.controller.did) ?? [];
      const last = queue.at(-1);
      const at = { document: owner.controller.document, version: 1 };
      for (const queued of queue)
        if (queued.state === 'final' || (ahead && queued === last)) {
          at.document = parseDocument(applyPatch(at.document, queued.update!.patch), queued.did);
          at.version = queued.version;
        }
      cohort.tell(
        owner.member,
        update(cohort, owner.member, owner.controller.did, await updateOf(owner.controller, patch, at)),
      );
      return;
    }
    case 2: {
      const owner = pick(owners);
      cohort.tell(owner.member, registration(cohort, owner.member, owner.controller));
      const known = cohort.beacon.registry.get(owner.controller.did)?.known;
      if (cohort.beacon.checks.size > 0) checkControl(cohort, owner.controller, known?.version, known?.document);
      return;
    }
    case 3:
      if (session_id) cohort.tell(member, { type: 'veto', body: { session_id, code: 'mood', text: 'no' } });
      return;
    case 4:
      if (session_id) {
        member.nonces.clear();
        cohort.tell(member, { type: 'nonce_lost', body: { session_id } });
      }
      return;
    case 5: {
      const open = cohort.beacon.round?.open.at(-1);
      if (open?.agg_nonce) {
        const body = { session_id: open.id, beacon_address: cohort.beacon.address, agg_nonce: open.agg_nonce };
        cohort.tell(member, { type: 'signal_authorization', body: { ...body, sig: ['ab'.repeat(32)] } });
      }
      return;
    }
    case 6:
      cohort.wait(pick([1, 60, 600, 3600, 20_000]));
      return;
    case 7:
      cohort.mine(1 + upTo(3));
      return;
    case 8: {
      const depth = 1 + upTo(4);
      cohort.chain.undo(depth, pick(['mempool', 'gone']));
      cohort.advance();
      cohort.chain.mine(depth + 1);
      cohort.advance();
      return;
    }
    case 9:
      cohort.chainUp = upTo(3) > 0;
      cohort.advance();
      return;
    case 10:
      cohort.chain.feeRate = pick([null, 1, 2, 5, 50, 10_000]);
      return;
    case 11:
      cohort.mail.splice(upTo(cohort.mail.length + 1), 1);
      return;
    case 12: {
      const { round } = cohort.beacon;
      const frozen = round?.open.length ? round.frozen : null;
      const free =
        frozen && cohort.chain.view(cohort.beacon.script_hex).utxos.some(utxo => utxo.txid === frozen.outpoint.txid);
      if (frozen && free && upTo(2) === 0) cohort.chain.spend(frozen.outpoint);
      cohort.advance();
      return;
    }
    case 13:
      cohort.only({ type: 'was_deaf', seconds: upTo(1000) });
      cohort.advance();
      return;
    case 14:
      cohort.give({ type: 'open_round' });
      return;
    default: {
      // Mail in any order, sometimes twice.
      const at = upTo(cohort.mail.length);
      const sent: Sent | undefined = cohort.mail[at];
      if (!sent) return;
      if (upTo(8) > 0) cohort.mail.splice(at, 1);
      const to = cohort.members.find(each => each.transport === sent.to)!;
      const message = answer(cohort, to, sent);
      if (message) cohort.tell(to, message);
    }
  }
}

/** Everybody is honest and awake, and the chain works: whatever happened before, all updates get through. */
function calmDown(cohort: Cohort): void {
  cohort.chainUp = true;
  cohort.chain.feeRate = 2;
  for (let i = 0; i < 12; i++) {
    fund(cohort);
    deliver(cohort);
    cohort.wait(3600);
    deliver(cohort);
    for (const signal of cohort.beacon.signals) if (!cohort.chain.has(signal.txid)) cohort.chain.submit(signal.hex);
    cohort.mine(6);
  }
}

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('chance, seed %s', seed => {
  test('breaks nothing, signs nothing twice, and ends well', async () => {
    const chance = dice(seed);
    const cohort = formed({
      frequency: { interval: 3600, min_interval: 0, pending_updates: 1 },
      latency: { cohort_set: 600, presence: 9000, nonce: 9000, signature: 9000 },
    });
    fund(cohort, 1_000_000);
    const owners: Owner[] = ['one', 'two', 'three'].map((name, i) => {
      const member = cohort.members[i % 2]!;
      const controller = register(cohort, member, name);
      return { controller, member, document: controller.document, version: 1 };
    });
    for (let i = 0; i < 300; i++) await act(cohort, owners, chance);
    calmDown(cohort);
    cohort.expectRestartable();
    expectSound(cohort);
    for (const owner of owners) expectResolvable(cohort, owner);
    expect([...cohort.beacon.alarms.values()].filter(alarm => alarm.halts)).toEqual([]);
    expect(cohort.beacon.round).toBeNull();
    expect(cohort.beacon.ready.size).toBe(0);
    for (const queue of cohort.beacon.updates.values())
      expect(queue.map(queued => queued.state)).toEqual(queue.map(() => 'final'));
    expect(sentOf({ effects: cohort.sent }, 'signal_status').length).toBeGreaterThan(0);
  });
});
