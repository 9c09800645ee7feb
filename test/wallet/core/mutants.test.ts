import { beforeAll, describe, expect, test } from 'vitest';
import { type Mutant, mutantsOf, type Stage, stages } from './mutants.ts';
import { typesOf } from './wallet.ts';

const NAMES = [
  'SMTBeacon',
  'CASBeacon',
  'SMTBeacon with a ladder',
  'CASBeacon with a ladder',
  'SMTBeacon, blinded',
] as const;

let all: Stage[];
beforeAll(async () => {
  all = await stages();
  // Hundreds of decisions each: that no state is touched is looked at elsewhere, and by the last test here.
  for (const { world } of all) world.quick = true;
  expect(all.map(({ name }) => name)).toEqual(NAMES);
}, 120_000);

/** What the wallet does with it; nothing is stored. */
function outcomeOf({ wallet, liar }: Stage, { body, chain }: Pick<Mutant, 'body' | 'chain'>): string {
  let envelope: ReturnType<typeof liar.envelope>;
  try {
    envelope = liar.envelope({ type: 'authorize_beacon_signal_request', body });
  } catch (error) {
    expect(String(error)).toContain('an unreadable authorize_beacon_signal_request');
    return 'unreadable';
  }
  const decision = chain === undefined ? wallet.consider(envelope) : wallet.consider(envelope, chain);
  if (!('events' in decision)) return `no veto: ${JSON.stringify(decision)}`;
  const { events, effects } = decision;
  const said = effects.map(effect =>
    effect.type === 'send' && effect.message.type === 'veto' ? effect.message.body.code : effect.type,
  );
  // One veto leaves and nothing else; nothing is left to do for which a nonce would be drawn.
  if (typesOf(decision).join() !== 'session_vetoed' || said.length !== 1) return `${typesOf(decision)}: ${said}`;
  expect(events).toMatchObject([{ code: said[0] }]);
  return said[0]!;
}

describe.each(NAMES)('a request to a member of a %s', name => {
  const stageOf = (): Stage => all.find(stage => stage.name === name)!;

  test('is good as it is', () => {
    const stage = stageOf();
    const decision = stage.wallet.consider(
      stage.liar.envelope({ type: 'authorize_beacon_signal_request', body: stage.good }),
    );
    expect('events' in decision && typesOf(decision)).toEqual(['evidence_kept', 'session_checked']);
  });

  // fault 21
  test('is refused with one thing changed, with the code that says which, and no nonce leaves', {
    timeout: 120_000,
  }, () => {
    const stage = stageOf();
    const mutants = mutantsOf(stage);
    expect(new Set(mutants.map(({ kind }) => kind)).size).toBe(mutants.length);
    expect(mutants.length).toBeGreaterThanOrEqual(120);
    const wrong = mutants.flatMap(mutant => {
      const isChanged = mutant.chain !== undefined || JSON.stringify(mutant.body) !== JSON.stringify(stage.good);
      const outcome = isChanged ? outcomeOf(stage, mutant) : 'not even changed';
      return outcome === mutant.expected ? [] : [`${mutant.kind}: ${outcome}, not ${mutant.expected}`];
    });
    expect(wrong).toEqual([]);
  });

  test('and after all of them the good one still gets its nonce', () => {
    const stage = stageOf();
    const outcome = stage.liar.ask(stage.good);
    expect(outcome.sent.map(({ type }) => type)).toEqual(['nonce']);
  });
});
