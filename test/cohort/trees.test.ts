import { describe, expect, test } from 'vitest';
import { aggregate, checkEvidence } from '../../src/beacon/index.ts';
import { decide, evolve, hashJob, type PreparedTree, type TreeJob } from '../../src/cohort/index.ts';
import { signalEntries } from '../../src/cohort/leaves.ts';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import { type Cohort, deliver, formed, fund, register, sentOf, typesOf, until, update } from './driver.ts';
import { addService, type Controller, drawHex, updateOf } from './members.ts';

interface Waiting {
  cohort: Cohort;
  controllers: Controller[];
  /** Advances the cohort as a shell does that hashes trees of more than two leaves elsewhere. */
  advance(prepared: PreparedTree | null, entropy?: string): ReturnType<Cohort['only']>;
}

/** Three members with a DID each and an update of the first; everybody said that it is there, and nothing is frozen yet. */
async function waiting(): Promise<Waiting> {
  const cohort = formed();
  fund(cohort);
  const controllers = cohort.members.map((member, i) => register(cohort, member, `tree ${i}`));
  const [first] = controllers;
  cohort.tell(
    cohort.members[0]!,
    update(cohort, cohort.members[0]!, first!.did, await updateOf(first!, addService('one'))),
  );
  deliver(cohort, until('presence'));
  for (const { to, message } of cohort.mail.splice(0)) {
    const member = cohort.members.find(({ transport }) => transport === to)!;
    if (message.type !== 'presence') continue;
    cohort.only({
      type: 'message',
      envelope: cohort.envelope(member, { type: 'presence_ack', body: message.body }),
      admission: { invites: [], allowlist: [] },
    });
  }
  expect(cohort.beacon.round?.stage.name).toBe('presence');
  const advance = (prepared: PreparedTree | null, entropy = drawHex('seed')) => {
    const chain = cohort.chain.view(cohort.beacon.script_hex);
    const decision = decide(
      cohort.state,
      { type: 'advance' },
      { now: cohort.now, entropy, chain, trees: { above: 2, prepared } },
    );
    if ('drop' in decision) throw new Error(decision.drop);
    return { ...decision, dropped: null };
  };
  return { cohort, controllers, advance };
}

/** The one job that an outcome asks for; it stores nothing and sends nothing. */
function jobOf(outcome: ReturnType<Cohort['only']>): TreeJob {
  expect(outcome.events).toEqual([]);
  const [only, ...more] = outcome.effects;
  expect(more).toEqual([]);
  if (only?.type !== 'build_tree') throw new Error(`an effect ${only?.type}`);
  return only.job;
}
const done = (job: TreeJob): PreparedTree => ({ job, tree: hashJob(job) });
const frozenOf = (outcome: ReturnType<Cohort['only']>) => {
  const event = outcome.events.find(({ type }) => type === 'session_requested');
  if (event?.type !== 'session_requested') throw new Error(`no session: ${typesOf(outcome)}`);
  return event.frozen;
};

describe('a large tree', () => {
  test('is asked for until it is there; then everybody is asked to sign what it says, and its proofs verify', async () => {
    const { cohort, controllers, advance } = await waiting();
    const job = jobOf(advance(null));
    // A crash loses nothing: nothing was stored, and the next advance asks again.
    expect(jobOf(advance(null))).toEqual(job);
    const outcome = advance(done(job), drawHex('another seed'));
    const frozen = frozenOf(outcome);
    expect(frozen.nonce_seed).toBe(drawHex('seed'));
    const whole = aggregate('SMTBeacon', signalEntries(cohort.beacon.leaves, frozen), { bitOrder: 'spec' });
    expect(frozen.signal_bytes).toBe(toHex(whole.signalBytes));
    const requests = sentOf(outcome, 'authorize_beacon_signal_request');
    expect(requests).toHaveLength(3);
    requests.forEach(({ to, body }) => {
      const i = cohort.members.findIndex(({ transport }) => transport === to);
      const { did } = controllers[i]!;
      const announcement = frozen.updates.find(known => known.did === did)?.announcement ?? null;
      expect(announcement === null).toBe(i !== 0);
      const expected = [{ did, announcement, registered: true }];
      const check = {
        signalBytes: fromHex(frozen.signal_bytes),
        bitOrder: 'spec' as const,
        evidence: body.evidence,
        expected,
      };
      expect(checkEvidence('SMTBeacon', check)).toEqual([]);
    });
  });

  test('is hashed in line where it is small, or where the shell has no place for it', async () => {
    const { cohort, advance } = await waiting();
    const chain = cohort.chain.view(cohort.beacon.script_hex);
    const env = { now: cohort.now, entropy: drawHex('seed'), chain };
    for (const trees of [{}, { trees: { above: 3, prepared: null } }]) {
      const decision = decide(cohort.state, { type: 'advance' }, { ...env, ...trees });
      const outcome = { ...(decision as Exclude<typeof decision, { drop: string }>), dropped: null };
      expect(frozenOf(outcome)).toEqual(frozenOf(advance(done(jobOf(advance(null))))));
    }
  });

  test('leaves what came while it was hashed to the next round', async () => {
    const { cohort, controllers, advance } = await waiting();
    const ready = done(jobOf(advance(null)));
    const late = controllers[1]!;
    const member = cohort.members[1]!;
    const message = update(cohort, member, late.did, await updateOf(late, addService('late')));
    cohort.only({
      type: 'message',
      envelope: cohort.envelope(member, message),
      admission: { invites: [], allowlist: [] },
    });
    const frozen = frozenOf(advance(ready));
    expect(frozen.updates.map(({ did }) => did)).toEqual([controllers[0]!.did]);
    expect(frozen.signal_bytes).toBe(toHex(aggregateRoot(cohort, frozen)));
  });

  // Whoever signed an update has the right to replace it until it is frozen: announcing the old one would destroy the DID.
  test('is hashed anew where an update in it was replaced meanwhile', async () => {
    const { cohort, controllers, advance } = await waiting();
    const ready = done(jobOf(advance(null)));
    const [member] = cohort.members;
    const other = await updateOf(controllers[0]!, addService('better'));
    const message = update(cohort, member!, controllers[0]!.did, other);
    cohort.only({
      type: 'message',
      envelope: cohort.envelope(member!, message),
      admission: { invites: [], allowlist: [] },
    });
    const again = jobOf(advance(ready));
    expect(again.drawn.updates).not.toEqual(ready.job.drawn.updates);
    expect(frozenOf(advance(done(again))).updates).toEqual(again.drawn.updates);
  });

  test('of another round, attempt or deposit is not used: its nonces serve once', async () => {
    const { advance } = await waiting();
    const ready = done(jobOf(advance(null)));
    const { job, tree } = ready;
    for (const other of [
      { ...job, round: job.round + 1 },
      { ...job, attempt: job.attempt + 1 },
      { ...job, drawn: { ...job.drawn, outpoint: { ...job.drawn.outpoint, vout: 7 } } },
    ])
      expect(jobOf(advance({ job: other, tree })).round).toBe(job.round);
    expect(frozenOf(advance(ready)).nonce_seed).toBe(drawHex('seed'));
  });

  test('of a set that is frozen is hashed elsewhere too, before a reminder after a restart', async () => {
    const { cohort, advance } = await waiting();
    const { events } = advance(done(jobOf(advance(null))));
    const stored = [...cohort.log, ...events.map(event => ({ ...event, at: cohort.now }))];
    const folded = (JSON.parse(JSON.stringify(stored)) as typeof stored).reduce<Parameters<typeof decide>[0]>(
      evolve,
      null,
    );
    const chain = cohort.chain.view(cohort.beacon.script_hex);
    const at = (seconds: number, prepared: PreparedTree | null) => {
      const env = { now: cohort.now + seconds, entropy: drawHex('later'), chain, trees: { above: 2, prepared } };
      const decision = decide(folded, { type: 'advance' }, env);
      if ('drop' in decision) throw new Error(decision.drop);
      return { ...decision, dropped: null };
    };
    expect(at(0, null)).toMatchObject({ events: [], effects: [] });
    const wait = Math.ceil(cohort.terms.latency.nonce / 2);
    const job = jobOf(at(wait, null));
    const reminded = at(wait, done(job));
    expect(typesOf(reminded)).toEqual(['reminded']);
    expect(sentOf(reminded, 'authorize_beacon_signal_request')).toHaveLength(3);
  });
});

const aggregateRoot = (cohort: Cohort, frozen: ReturnType<typeof frozenOf>) =>
  aggregate('SMTBeacon', signalEntries(cohort.beacon.leaves, frozen), { bitOrder: 'spec' }).signalBytes;
