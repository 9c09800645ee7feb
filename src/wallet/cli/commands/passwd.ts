import { isLockedKeyFile } from '../../../shell/keystore.ts';
import { loadWalletConfig } from '../../config.ts';
import { type Command, EXIT } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { keysPath } from '../new-home.ts';
import { homeOf, sourcesOf } from '../open.ts';
import { newPassphrase, presentPassphrase } from '../passphrase.ts';

export const passwd: Command = {
  name: 'passwd',
  arguments: [],
  summary: 'lock the keys with a passphrase, or change it',
  details: [
    'The keys are sealed by scrypt (64 MiB a guess) and XChaCha20-Poly1305, the Nostr keys as NIP-49 has it. Passphrases are',
    'typed unseen, or come from files (mode 0600): the present one by --passphrase-file or BTCR2_WALLET_PASSPHRASE_FILE, the',
    'new one by --new-passphrase-file or BTCR2_WALLET_NEW_PASSPHRASE_FILE. No other process may have the wallet open.',
    '',
    'Copies of keys.json that were made before still open as they did, and a disk may keep the old bytes for long. A',
    'passphrase that is forgotten opens nothing: what a seed does not restore is lost with it.',
  ].join('\n'),
  options: {
    'new-passphrase-file': { type: 'string', value: 'FILE', help: 'file (mode 0600) that holds the new passphrase' },
  },
  async run(invocation) {
    const home = homeOf(invocation);
    loadWalletConfig(home, sourcesOf(invocation));
    const from = isLockedKeyFile(keysPath(home)) ? await presentPassphrase(invocation) : undefined;
    const to = await newPassphrase(invocation);
    const { changePassphrase } = await import('../../client.ts');
    await waiting(invocation, 'locking the keys', (async () => changePassphrase(home, { from, to }))());
    if (invocation.json) writeJson(invocation, { home, locked: true });
    else writeLines(invocation, [from === undefined ? 'the keys are locked' : 'the keys have a new passphrase']);
    hint(invocation, 'copies of keys.json that were made before still open as they did');
    return EXIT.ok;
  },
};
