import { afterEach, expect, test } from 'vitest';
import { BASE, type Folder, makeFolder } from '../config/folder.ts';
import nip49 from '../vectors/nip49/nip49.json' with { type: 'json' };

let folder: Folder | null = null;
afterEach(() => folder?.remove());

test("a locked identity key needs the file of its passphrase, which is its owner's alone", () => {
  folder = makeFolder();
  folder.write('identity.key', nip49.ncryptsec);
  expect(folder.problems()).toEqual([expect.stringMatching(/^identity\.passphrase_file: is missing: .* is locked/)]);
  folder.write('pass', `${nip49.password}\n`, 0o644);
  const env = { BTCR2_IDENTITY_PASSPHRASE_FILE: 'pass' };
  expect(folder.problems({ env })).toEqual([expect.stringMatching(/^identity\.passphrase_file: .*chmod 600/)]);
  folder.write('pass', `${nip49.password}\n`);
  const { identity } = folder.load({ env });
  expect(identity).toEqual({ key_file: folder.path('identity.key'), passphrase_file: folder.path('pass') });
  expect(JSON.stringify(folder.load({ env }))).not.toContain(`"${nip49.password}"`);
});

test('a passphrase itself is no setting: it would stand in files and command lines', () => {
  folder = makeFolder(`${BASE}[identity]\npassphrase = "hunter2"\n`);
  const problems = folder.problems();
  expect(problems.join()).toContain('identity.passphrase');
  expect(problems.join()).not.toContain('hunter2');
  const env = { BTCR2_IDENTITY_PASSPHRASE: 'hunter2' };
  const unknown = folder.problems({ env }).join();
  expect(unknown).toContain('BTCR2_IDENTITY_PASSPHRASE: unknown variable');
  expect(unknown).not.toContain('hunter2');
});
