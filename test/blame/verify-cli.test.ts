import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Transcript } from '../../src/blame/index.ts';
import { answer, deliver, roundOpen, until } from '../cohort/driver.ts';
import type { Member } from '../cohort/members.ts';
import { runHere } from '../operator/here.ts';
import { cli } from '../wallet/cli/harness.ts';

let dir: string;
let bob: Member;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-evidence-'));
  const { cohort } = await roundOpen();
  deliver(cohort, until('authorize_beacon_signal_request'));
  bob = cohort.members[1]!;
  const request = cohort.mail.find(sent => sent.to === bob.transport)!;
  cohort.tell(bob, answer(cohort, bob, request)!);
  const { effects } = cohort.tell(bob, answer(cohort, bob, request)!);
  const [transcript] = effects.flatMap(effect => (effect.type === 'keep_evidence' ? [effect.transcript] : []));
  save('shown', transcript!);
  const [first] = transcript!.envelopes;
  save('nothing', { ...transcript!, envelopes: [first!, first!] });
  save('altered', { ...transcript!, envelopes: [first!, { ...first!, created_at: 5 }] });
  writeFileSync(join(dir, 'other.json'), '{}');
  writeFileSync(join(dir, 'hostile.json'), JSON.stringify({ type: 'x\u001b[2J' }));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const save = (name: string, transcript: Transcript): void =>
  writeFileSync(join(dir, `${name}.json`), JSON.stringify(transcript));

/** Both programs, offline: neither has a daemon, a wallet, a relay or a node. */
const programs = {
  'btcr2-aggregator': async (...argv: string[]) => {
    const { code, stdout, stderr } = await runHere(argv, dir);
    return { code, out: stdout, err: stderr };
  },
  'btcr2-wallet': (...argv: string[]) => cli(argv, { cwd: dir }),
};

describe.each(Object.entries(programs))('%s evidence verify', (_, run) => {
  const verify = (file: string, ...more: string[]) => run('evidence', 'verify', file, ...more);

  test('says who is shown to have done what, and ends with 0', async () => {
    const said = await verify('shown.json');
    expect(said).toMatchObject({ code: 0, err: '' });
    expect(said.out).toContain(`Shown: the member ${bob.pk} signed two different nonces for one session.`);
    const json = JSON.parse((await verify('shown.json', '--json')).out);
    expect(json).toMatchObject({ shown: true, fault: 'two_nonces', participant_pk: bob.pk });
  });

  test.each([
    ['nothing.json', 'nothing in it contradicts itself'],
    ['altered.json', 'envelope 2 is not authentic'],
  ])('says that %s shows nothing, and why, and ends with 1', async (file, why) => {
    const said = await verify(file);
    expect(said).toMatchObject({ code: 1, err: '' });
    expect(said.out).toMatch(/^This shows nothing\.\n/);
    expect(said.out).toContain(why);
    expect(JSON.parse((await verify(file, '--json')).out)).toMatchObject({ shown: false });
  });

  test.each([
    ['other.json', 'type'],
    ['hostile.json', 'type'],
    ['missing.json', 'ENOENT'],
  ])('refuses %s, names the file and what is wrong, and ends with 1', async (file, what) => {
    const said = await verify(file);
    expect([said.code, said.out]).toEqual([1, '']);
    expect(said.err).toContain(file);
    expect(said.err).toContain(what);
    expect(said.err).not.toContain(String.fromCharCode(27));
    expect(JSON.parse((await verify(file, '--json')).out)).toMatchObject({ error: { code: 'bad_file' } });
  });

  test('needs a file', async () => {
    expect((await run('evidence', 'verify')).code).toBe(2);
  });
});
