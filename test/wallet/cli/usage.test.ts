import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../src/wallet/cli/commands/index.ts';
import { cli, tempHome } from './harness.ts';

describe('a command line that cannot be understood', () => {
  test.each([
    ['', 'no command'],
    ['--json', 'no command'],
    ['frobnicate', 'there is no command "frobnicate"'],
    ['did', 'did needs one of: did create, did list'],
    ['did paint', 'did needs one of'],
    ['help frobnicate', 'there is no command "frobnicate"'],
    ['join', 'join needs ADVERT'],
    ['join one two', 'join does not take "two"'],
    ['join one --yse', "Unknown option '--yse'"],
    ['status --seconds 3', "Unknown option '--seconds'"],
    ['status --home', "Option '--home <value>' argument missing"],
    ['join one', 'give --yes where nobody can be asked'],
    ['join one --json', 'give --yes where nobody can be asked'],
    ['update x', 'update needs --patch'],
    ['update x --patch {', 'the patch is not JSON'],
    ['update x --patch []', 'an empty patch changes nothing'],
    ['update x --patch [{"op":"paint","path":"/a"}]', 'no JSON Patch (RFC 6902): 0.op'],
    ['update x --patch [{"op":"add","path":"/__proto__/a","value":1}]', 'a path through the prototype'],
    ['did create --kind z', '--kind is x or k'],
    ['did create --kind k --cohort c', 'a k identifier cannot list a cohort'],
    ['did create --no-singleton', '--no-singleton needs --cohort'],
    ['did create --name did:me', '--name takes'],
    ['join x --yes --scheme nip44', '--scheme is one of nip44_v2, nip04, nip59'],
    ['discover --link nostr+btcr2://x --file y', 'without --file'],
    ['update x --patch [{"op":"remove","path":"/a"}] --via cohort', '--via takes singleton'],
    ['update x --patch [{"op":"remove","path":"/a"}] --fee-cap 5', '--fee-cap needs --via singleton'],
    ['update x --patch [{"op":"remove","path":"/a"}] --bare --via singleton', '--bare is about what a cohort is told'],
    ['announce', 'announce needs DID'],
    ['announce x --fee-cap 0', '--fee-cap takes a whole number from 1 on'],
    ['announce x --announcement AB', '--announcement takes 64 lowercase hex digits'],
    ['resolve x --bit-order msb', '--bit-order is spec or lsb'],
    ['resolve x --min-conf six', '--min-conf takes a whole number'],
    ['discover --network mainnet', '--network is one of'],
    ['discover --seconds 0', '--seconds takes a whole number from 1 on'],
    ['discover --seconds 4000', '--seconds is at most 3600'],
    ['init', 'init needs --network'],
    ['init --network regtest', 'init needs at least one --relay'],
    ['init --network regtest --relay ws://127.0.0.1', 'one of --bitcoind and --esplora'],
    ['init --network regtest --relay ws://127.0.0.1 --esplora http://x --bitcoind http://y', 'one of --bitcoind and'],
  ])('%s', async (line, text) => {
    const argv = line.split(' ').filter(word => word !== '');
    const said = await cli(argv);
    const complaint = said.out + said.err;
    expect(complaint.replaceAll('\\"', '"')).toContain(text);
    expect(said.code).toBe(2);
    const asJson = await cli([...argv, '--json']);
    expect(JSON.parse(asJson.out)).toEqual({ error: { code: 'usage', message: expect.any(String) } });
    expect(asJson.code).toBe(2);
    expect(asJson.err).toBe('');
  });
});

describe('help', () => {
  test('names every command, the exit codes, and is the same by every way', async () => {
    const { out, code, err } = await cli(['help']);
    expect(code).toBe(0);
    expect(err).toBe('');
    for (const { name, summary } of COMMANDS) expect(out).toMatch(new RegExp(`^ +${name}\\b.*${summary}`, 'm'));
    expect(out).toContain('Exit codes: 0 done; 1 refused or failed; 2 wrong usage or configuration.');
    expect((await cli(['--help'])).out).toBe(out);
    expect((await cli(['-h'])).out).toBe(out);
    expect(JSON.parse((await cli(['help', '--json'])).out)).toEqual({ help: out });
  });

  test.each(COMMANDS.map(command => [command.name, command] as const))(
    'of %s lists its options',
    async (name, command) => {
      const { out, code } = await cli([...name.split(' '), '--help']);
      expect(code).toBe(0);
      expect(out).toContain(`Usage: ${['btcr2-wallet', name, ...command.arguments].join(' ')} [options]`);
      for (const option of Object.keys(command.options)) expect(out).toContain(`--${option}`);
      for (const option of ['--home', '--json', '--help']) expect(out).toContain(option);
      expect((await cli(['help', ...name.split(' ')])).out).toBe(out);
    },
  );

  test('is given without the arguments that the command would need', async () => {
    expect((await cli(['--json', 'resolve', '--help'])).code).toBe(0);
  });

  test('--version prints it', async () => {
    const { out } = await cli(['--version']);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(JSON.parse((await cli(['--version', '--json'])).out)).toEqual({ version: out.trim() });
  });
});

test('options may stand before the command', async () => {
  const home = await tempHome();
  const said = await cli(['--home', home, '--log-level', 'error', 'status', '--json'], {
    wallet: () => Promise.reject(new Error('opened')),
  });
  expect(JSON.parse(said.out)).toMatchObject({ error: { message: 'opened' } });
});
