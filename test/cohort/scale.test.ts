import { expect, test } from 'vitest';
import { type Cohort, deliver, formed, fund, register, type Sent, update } from './driver.ts';
import { addService, updateOf } from './members.ts';

/** Members; each has one DID, and one of them an update. */
async function wholeRound(size: number): Promise<{ cohort: Cohort; formation: Sent[]; round: Sent[] }> {
  const names = Array.from({ length: size }, (_, i) => `member ${i}`);
  const cohort = formed({}, names);
  const formation = [...cohort.sent];
  fund(cohort);
  const [first] = cohort.members.map((member, i) => ({ member, controller: register(cohort, member, `did ${i}`) }));
  const before = cohort.sent.length;
  const signed = await updateOf(first!.controller, addService('scale'));
  cohort.tell(first!.member, update(cohort, first!.member, first!.controller.did, signed));
  deliver(cohort);
  cohort.mine(6);
  deliver(cohort);
  expect(cohort.beacon.signals[0]?.seen.status).toBe('final');
  return { cohort, formation, round: cohort.sent.slice(before) };
}

const bytesOf = (sent: readonly Sent[]): number =>
  sent.reduce((sum, { message }) => sum + JSON.stringify(message).length, 0);

test('what a round sends to each member does not grow with the cohort, but for the hashes of its proofs', async () => {
  const [small, large] = [await wholeRound(3), await wholeRound(12)];
  const perMember = ({ cohort, round }: typeof small) =>
    cohort.members.map(({ transport }) => round.filter(({ to }) => to === transport));

  // The one with the update also gets its answer.
  const [others, more] = [perMember(small).slice(1), perMember(large).slice(1)];
  const types = others[0]!.map(({ message }) => message.type);
  expect(types).toContain('authorize_beacon_signal_request');
  for (const got of [...others, ...more]) expect(got.map(({ message }) => message.type)).toEqual(types);

  // Four times the members: two levels more in a proof, each one hash of 43 letters, quotes and a comma.
  const most = (each: Sent[][]): number => Math.max(...each.map(bytesOf));
  expect(most(more) - most(others)).toBeLessThan(6 * 46);
});

test('to form a cohort, each member gets the same messages, and a hundred letters or so of each other member', async () => {
  const [small, large] = [await wholeRound(3), await wholeRound(12)];
  const each = ({ cohort, formation }: typeof small) =>
    cohort.members.map(({ transport }) => formation.filter(({ to }) => to === transport));
  const [few, many] = [each(small), each(large)];
  for (const got of [...few, ...many])
    expect(got.map(({ message }) => message.type)).toEqual(few[0]!.map(({ message }) => message.type));
  // Twice its key (the set, and the set that all signed) and once its signature: what every member has to check.
  const growth = (bytesOf(many[0]!) - bytesOf(few[0]!)) / 9;
  expect(growth).toBeLessThan(2 * 69 + 131 + 5);
});
