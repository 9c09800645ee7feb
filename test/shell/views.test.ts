import { expect, test } from 'vitest';
import type { Env } from '../../src/cohort/index.ts';
import { cohortSummary, roundDetails, spendSummaries } from '../../src/shell/views.ts';
import { type Cohort, deliver, sessionOpen, signalSent, silent } from '../cohort/driver.ts';
import { drawHex } from '../cohort/members.ts';

const envOf = (cohort: Cohort): Env => ({
  now: cohort.now,
  entropy: drawHex('none'),
  chain: cohort.chain.view(cohort.beacon.script_hex),
});

const statusOf = (cohort: Cohort): string => cohortSummary(cohort.state, envOf(cohort)).round;

test('an open session says when it is tried again, and that a cancel which all signed ends it', async () => {
  const { cohort } = await sessionOpen();
  deliver(cohort, silent(cohort.members[2]!, 'aggregated_nonce'));
  cohort.wait(600);
  cohort.mail = [];
  expect(statusOf(cohort)).toMatch(/: open; the next attempt with the same outpoint and bytes is in \d+ (s|min)/);
  cohort.give({ type: 'start_spend', purpose: 'cancel' });
  deliver(cohort);
  const [cancel] = cohort.beacon.spends;
  expect(statusOf(cohort)).toMatch(
    new RegExp(`: open; all signed the cancel ${cancel!.transaction!.txid}, which settles it six blocks deep$`),
  );
  expect(spendSummaries(cohort.state)).toMatchObject([{ purpose: 'cancel', status: 'complete' }]);
});

test('a round says which step of the ladder was sent', async () => {
  const { cohort } = await signalSent({ fee_ladder: { steps: 3, factor: 2, blocks: 2 }, fee_cap: 2_000 });
  const show = () => roundDetails(cohort.state, envOf(cohort))[0]!;
  expect(show()).toMatchObject({ step: { number: 1, of: 3 } });
  const { fee_sats, txid } = show();
  // Blocks without it: the next step is due.
  cohort.chain.evict(txid!);
  cohort.broadcasts = false;
  cohort.mine(2);
  expect(show()).toMatchObject({ step: { number: 2, of: 3 }, fee_sats: fee_sats! * 2 });
});
