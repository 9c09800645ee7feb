import { resolve } from 'node:path';
import type { Transcript } from '../blame/index.ts';
import {
  type Config,
  ConfigError,
  type ConfigInput,
  configFileOf,
  loadConfig,
  locateState,
  withoutSecrets,
} from '../config.ts';
import type { Bytes } from '../crypto/index.ts';
import type { AdvertExport, AggregatorApi } from './api.ts';
import { type Given, readCommandLine, readDuration, readInteger, UsageError } from './command-line.ts';
import { PROGRAM, TERM_FLAGS } from './commands.ts';
import { ControlError, callControl } from './control.ts';
import type { Finding } from './doctor.ts';
import { EXIT } from './exit.ts';
import { deliverAll, hasFailed, readSources, reportOf, textOf, tidy, writeComposed } from './hand-files.ts';
import type { InitResult } from './init.ts';
import type { LockResult } from './lock-keys.ts';
import { createLogger } from './logger.ts';
import { qrText } from './qr.ts';
import { controlPath, type RunOptions, runDaemon, type StartDaemon } from './run.ts';
import { type Out, painter, plural, type Style, safeText, sats, wantsColour, withProgress } from './terminal.ts';
import {
  advertTable,
  advertView,
  alarmTable,
  cohortTable,
  cohortView,
  evidenceTable,
  exportView,
  roundTable,
  roundView,
  spendTable,
  spendView,
  statusView,
  type View,
} from './views.ts';

/** The world as the command line sees it; `main.ts` hands in the real one. */
export interface CliWorld {
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  stdout: Out;
  stderr: Out;
  /** All of the standard input, for `-`. */
  stdin?: () => Promise<string>;
  /** Unix seconds. */
  now: () => number;
  random: (length: number) => Bytes;
  version: string;
  nodeVersion: string;
  /** Loads the daemon: commands that only talk to it start without its weight. */
  daemon: () => Promise<StartDaemon>;
  onSignal: RunOptions['onSignal'];
  exitNow: RunOptions['exitNow'];
}

/** Asks the running daemon. */
type Call = <M extends keyof AggregatorApi>(
  method: M,
  params?: unknown,
) => Promise<Awaited<ReturnType<AggregatorApi[M]>>>;

/** Flags that set one key of the configuration. */
const SETTING_FLAGS: Readonly<Record<string, string>> = {
  'state-dir': 'state_dir',
  network: 'network',
  cookie: 'chain.cookie_file',
  'log-level': 'log.level',
  'log-format': 'log.format',
};

function settingsOf(given: Given): Record<string, string | boolean | readonly string[]> {
  const settings: Record<string, string | boolean | readonly string[]> = {};
  for (const pair of given.all('set')) {
    const split = pair.indexOf('=');
    if (split < 1) throw new UsageError('--set needs KEY=VALUE, such as --set chain.poll_ms=5000');
    settings[pair.slice(0, split)] = pair.slice(split + 1);
  }
  for (const [flag, key] of Object.entries(SETTING_FLAGS)) {
    const value = given.text(flag);
    if (value !== undefined) settings[key] = value;
  }
  if (given.has('mainnet')) settings.mainnet = true;
  if (given.has('relay')) settings.relays = given.all('relay');
  const [bitcoind, esplora] = [given.text('bitcoind'), given.text('esplora')];
  if (bitcoind !== undefined && esplora !== undefined)
    throw new UsageError('--bitcoind and --esplora exclude each other: the chain comes from one place');
  if (bitcoind !== undefined) Object.assign(settings, { 'chain.backend': 'bitcoind', 'chain.url': bitcoind });
  if (esplora !== undefined) Object.assign(settings, { 'chain.backend': 'esplora', 'chain.url': esplora });
  return settings;
}

const inputOf = (world: CliWorld, given: Given): ConfigInput => ({
  flags: { config: given.text('config'), settings: settingsOf(given) },
  env: world.env,
  cwd: world.cwd,
  ...(world.env.HOME === undefined || world.env.HOME === '' ? {} : { home: world.env.HOME }),
  tty: world.stderr.isTTY === true,
});

const toJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** A socket that is looked for in the wrong place looks like a daemon that is not there. */
function withHint(error: unknown, input: ConfigInput): unknown {
  if (!(error instanceof ControlError) || error.code !== 'not_running' || configFileOf(input) !== null) return error;
  return new ControlError(error.code, `${error.message} (no configuration file was found: name it by --config)`);
}

/** Deeply nested terms from flat flags; what was not given is left out. */
function termsOf(given: Given): Record<string, unknown> {
  const terms: Record<string, unknown> = {};
  const put = (path: string, value: unknown): void => {
    const [outer = '', inner] = path.split('.');
    terms[outer] = inner === undefined ? value : { ...(terms[outer] as object | undefined), [inner]: value };
  };
  for (const [flag, { path, reads }] of Object.entries(TERM_FLAGS)) {
    if (!given.has(flag)) continue;
    const text = given.text(flag) ?? '';
    const number = reads === 'integer' ? readInteger(text) : reads === 'duration' ? readDuration(text) : null;
    if (reads === 'integer' && number === null) throw new UsageError(`--${flag} needs a whole number, such as 10,000`);
    if (reads === 'duration' && number === null)
      throw new UsageError(`--${flag} needs a time, such as 90s, 15m, 2h or 1d`);
    put(path, number ?? (reads === 'yes' ? true : reads === 'list' ? text.split(',').map(part => part.trim()) : text));
  }
  const id = given.text('id');
  return id === undefined ? terms : { ...terms, id };
}

/** Runs one command line and resolves to the exit code. Never rejects for what a user can do wrong: it says so. */
export async function runCli(world: CliWorld): Promise<number> {
  const { argv, env, stdout, stderr } = world;
  const paint = painter(wantsColour(stdout, env));
  const errorPaint = painter(wantsColour(stderr, env));
  const isJson = argv.includes('--json');

  function complain(code: string, message: string, exit: number, more: object = {}): number {
    if (isJson) stdout.write(toJson({ error: { code, message, ...more } }));
    else stderr.write(`${errorPaint('red', 'error:')} ${message.split('\n').map(safeText).join('\n')}\n`);
    return exit;
  }

  try {
    const invocation = readCommandLine(PROGRAM, argv, paint);
    if (invocation.type === 'help') stdout.write(invocation.text);
    else if (invocation.type === 'version') stdout.write(`${world.version}\n`);
    else return await perform(invocation.name, invocation.operands, invocation.given);
    return EXIT.ok;
  } catch (error) {
    if (error instanceof UsageError) return complain('usage', error.message, EXIT.usage);
    if (error instanceof ConfigError)
      return complain('configuration', error.message, EXIT.usage, { problems: error.problems });
    if (error instanceof ControlError && error.code === 'not_running')
      return complain('not_running', `${error.message}. Start it: btcr2-aggregator run`, EXIT.notRunning);
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'failed';
    // A key file that others can read is a matter of configuration, wherever it is noticed.
    const exit = error instanceof Error && error.name === 'KeyFileError' ? EXIT.usage : EXIT.failed;
    return complain(code, error instanceof Error ? error.message : String(error), exit);
  }

  function perform(name: string, operands: readonly string[], given: Given): Promise<number> {
    switch (name) {
      case 'init':
        return init(given);
      case 'run':
        return run(given);
      case 'doctor':
        return doctor(given);
      case 'keys lock':
        return lock(given);
      case 'keys recovery':
        return makeRecoveryKey(operands[0] ?? '');
      case 'config':
        return showConfig(given);
      case 'restore':
        return restore(operands[0] ?? '', given);
      case 'evidence verify':
        return verifyEvidence(operands[0] ?? '');
      case 'archive verify':
        return verifyArchiveIn(operands[0] ?? '');
      case 'archive sidecar':
        return sidecarFromArchive(operands[0] ?? '', operands[1] ?? '');
      default:
        return ask(name, operands, given);
    }
  }

  /** Prints the JSON of an answer, or what `show` makes of it for people. */
  function print<T>(value: T, show: (value: T, view: View) => string): void {
    stdout.write(isJson ? toJson(value) : show(value, { paint, now: world.now() }));
  }

  /** What only talks to the running daemon. */
  async function ask(name: string, operands: readonly string[], given: Given): Promise<number> {
    const input = inputOf(world, given);
    const path = controlPath(locateState(input));
    const [first = '', second, third] = operands;
    /** The daemon is this package's own, behind a socket that only its owner can make: its answers have the shapes of `api.ts`. */
    const call: Call = async <M extends keyof AggregatorApi>(
      method: M,
      params: unknown = {},
    ): Promise<Awaited<ReturnType<AggregatorApi[M]>>> =>
      (await withProgress(
        stderr,
        'waiting for the aggregator',
        callControl(path, method, params).catch(error => {
          throw withHint(error, input);
        }),
      )) as Awaited<ReturnType<AggregatorApi[M]>>;
    switch (name) {
      case 'status':
        print(await call('status'), statusView);
        break;
      case 'advert create':
        print(await call('advertCreate', termsOf(given)), advertView);
        break;
      case 'advert list':
        print(await call('advertList'), advertTable);
        break;
      case 'advert close': {
        const status = given.has('cancel') ? 'cancelled' : 'closed';
        print(await call('advertClose', { advert: first, status }), advertView);
        break;
      }
      case 'advert export':
        return exportAdvert(await call('advertExport', { advert: first }), given);
      case 'cohort list':
        print(await call('cohortList'), cohortTable);
        break;
      case 'cohort show':
        print(await call('cohortShow', { cohort: first }), cohortView);
        break;
      case 'cohort succeed':
      case 'cohort dissolve':
      case 'cohort succession':
      case 'member gone': {
        const { successionMethod, successionView } = await import('./succession-cli.ts');
        const { method, params } = successionMethod(name, first, second, given);
        print(await call(method, params), successionView);
        break;
      }
      case 'alarm list':
        print(await call('cohortShow', { cohort: first }), alarmTable);
        break;
      case 'alarm clear':
        print(await call('alarmClear', { cohort: first, alarm: second ?? '' }), alarmTable);
        break;
      case 'backup': {
        const made = await call('backup', { file: resolve(world.cwd, first) });
        print(made, ({ database, keys, keep }) =>
          [`Copied to ${database} and ${keys}.`, ...keep.map(path => `Keep as well: ${path}`), '']
            .map(safeText)
            .join('\n'),
        );
        break;
      }
      case 'export': {
        const out = given.text('out');
        if (out === undefined) throw new UsageError('--out has to name a folder for the archive');
        const request = { folder: resolve(world.cwd, out), ...(first === 'all' ? {} : { cohort: first }) };
        const { exportView: exportedView } = await import('./archive-view.ts');
        print(await call('archiveExport', request), exportedView);
        break;
      }
      case 'round list':
        print(await call('roundList', { cohort: first }), roundTable);
        break;
      case 'round show': {
        const round =
          second === undefined ? (await call('roundList', { cohort: first })).at(-1)?.round : readInteger(second);
        if (round === undefined) return complain('not_found', 'there was no round yet', EXIT.failed);
        if (round === null) throw new UsageError('ROUND has to be a number');
        print(await call('roundShow', { cohort: first, round }), roundView);
        break;
      }
      case 'round open': {
        const answer = await call('roundOpen', { cohort: first });
        print(answer, ({ opened, waiting_for }) =>
          opened ? 'A round is open.\n' : `No round opened: ${safeText(waiting_for ?? 'nothing to announce')}\n`,
        );
        return answer.opened ? EXIT.ok : EXIT.failed;
      }
      case 'evidence list':
        print(await call('evidenceList', first === '' ? {} : { cohort: first }), evidenceTable);
        break;
      case 'evidence export': {
        const id = readInteger(first);
        if (id === null) throw new UsageError('ID has to be a number, as `evidence list` shows it');
        return saveEvidence(await call('evidenceExport', { id }), given.text('out'));
      }
      case 'compose':
        return composeFiles(call, given);
      case 'deliver':
        return deliverFiles(call, operands, given);
      case 'round cancel':
        print(await call('spendStart', { cohort: first, purpose: 'cancel' }), spendView);
        break;
      case 'spend move':
        print(await call('spendStart', { cohort: first, purpose: 'move', to: second }), spendView);
        break;
      case 'spend refund':
        print(
          await call('spendStart', { cohort: first, purpose: 'refund', outpoint: readDeposit(second, third) }),
          spendView,
        );
        break;
      case 'spend recover':
        print(
          await recover(call, first, second ?? '', given),
          ({ txid, to, outpoint, fee_sats }) =>
            `Sent ${txid}: ${sats(outpoint.value_sats - fee_sats)} to ${safeText(to)}, by the recovery key. It announces nothing; every member sees it.\n`,
        );
        break;
      case 'spend list':
        print(await call('spendList', { cohort: first }), spendTable);
        break;
      default:
        throw new UsageError(`there is no command "${name}"`);
    }
    return EXIT.ok;
  }

  async function makeRecoveryKey(file: string): Promise<number> {
    const { createRecoveryKey } = await import('./recovery-key.ts');
    const path = resolve(world.cwd, file);
    const recovery_key = createRecoveryKey(path, world.random);
    print({ file: path, recovery_key }, () =>
      [
        `Wrote ${safeText(path)}: keep it off this machine, and back it up.`,
        `For the terms: --policy fallback --recovery-key ${recovery_key} --recovery-delay BLOCKS`,
        '',
      ].join('\n'),
    );
    return EXIT.ok;
  }

  /** The key signs here, and goes nowhere: what the daemon offers is built anew from what was typed. */
  async function recover(call: Call, cohort: string, to: string, given: Given) {
    const file = given.text('key-file');
    if (file === undefined) throw new UsageError('--key-file has to name the recovery key');
    const { requireRecoveryKey, signRecovery } = await import('./recovery-key.ts');
    const path = resolve(world.cwd, file);
    // Also long before the delay has passed: then a wrong file can still be helped.
    const { terms } = await call('cohortShow', { cohort });
    requireRecoveryKey(terms.policy, path);
    const offer = await call('recoveryOffer', { cohort, to });
    const hex = signRecovery(offer, { file: path, to, random: world.random });
    return call('recoverySend', { cohort, hex });
  }

  async function saveEvidence(transcript: Transcript, out: string | undefined): Promise<number> {
    if (out === undefined) {
      stdout.write(toJson(transcript));
      return EXIT.ok;
    }
    const file = resolve(world.cwd, out);
    (await import('./evidence-file.ts')).saveTranscript(file, transcript);
    print({ file }, () => `Wrote ${safeText(file)}. Anybody can judge it: btcr2-aggregator evidence verify FILE\n`);
    return EXIT.ok;
  }

  async function verifyEvidence(file: string): Promise<number> {
    const { judgeFile, verdictText } = await import('./evidence-file.ts');
    const { verdict } = judgeFile(resolve(world.cwd, file));
    print(verdict, verdictText);
    return verdict.shown ? EXIT.ok : EXIT.failed;
  }

  async function verifyArchiveIn(folder: string): Promise<number> {
    const { verifyArchive } = await import('./archive.ts');
    const { archiveView, isProven } = await import('./archive-view.ts');
    const judged = await verifyArchive(resolve(world.cwd, folder));
    print(judged, archiveView);
    return judged.every(isProven) ? EXIT.ok : EXIT.failed;
  }

  async function sidecarFromArchive(folder: string, did: string): Promise<number> {
    const { sidecarFrom } = await import('./archive.ts');
    stdout.write(toJson(await sidecarFrom(resolve(world.cwd, folder), did)));
    return EXIT.ok;
  }

  async function composeFiles(call: Call, given: Given): Promise<number> {
    const named = given.text('cohort');
    const known = named === undefined ? await call('cohortList') : [];
    if (named === undefined && known.length !== 1) {
      const ids = known.map(({ advert_id }) => advert_id).join(', ');
      throw new UsageError(known.length === 0 ? 'there is no cohort yet' : `--cohort has to name one of ${ids}`);
    }
    const [member, message] = [given.text('member'), given.text('message')];
    const cohort = named ?? known[0]!.cohort;
    const composed = await call('compose', {
      cohort,
      form: given.has('plain') ? 'plain' : 'encrypted',
      ...(given.has('all') ? { all: true } : {}),
      ...(member === undefined ? {} : { member }),
      ...(message === undefined ? {} : { message }),
    });
    const to = given.text('to') ?? '.';
    if (to === '-' && isJson) throw new UsageError('--to - prints the messages themselves: without --json');
    const files = to === '-' ? null : composed.map(one => writeComposed(to, world.cwd, one));
    if (to === '-') stdout.write(composed.map(textOf).join(''));
    // Only what is written counts as written.
    await call('composed', { events: composed.flatMap(({ events }) => events) });
    if (files === null) return EXIT.ok;
    print(
      composed.map(({ lines: _, ...told }, i) => ({ ...told, file: files[i]! })),
      written =>
        written.length === 0
          ? 'Nothing waits to be written. Members are asked when a round needs them; --all writes everything again.\n'
          : written.map(({ file }) => `${safeText(file)}\n`).join(''),
    );
    return EXIT.ok;
  }

  async function deliverFiles(call: Call, words: readonly string[], given: Given): Promise<number> {
    const sources = await readSources(words, { cwd: world.cwd, stdin: world.stdin });
    const delivered = await deliverAll(sources, text => call('deliver', { text }));
    if (given.has('tidy')) tidy(delivered, world.cwd);
    print(delivered, all =>
      reportOf(all, told => told)
        .map(line => `${line}\n`)
        .join(''),
    );
    if (!isJson) stderr.write(`${delivered.length === 0 ? 'no files there' : await nextOf(call)}\n`);
    return delivered.some(hasFailed) ? EXIT.failed : EXIT.ok;
  }

  /** What waits to be carried back, for a person. */
  async function nextOf(call: Call): Promise<string> {
    const waiting: string[] = [];
    for (const { cohort, advert_id } of await call('cohortList')) {
      const composed = await call('compose', { cohort, form: 'encrypted' });
      if (composed.length > 0) waiting.push(`${plural(composed.length, 'message')} of ${safeText(advert_id)}`);
    }
    return waiting.length === 0 ? 'nothing to carry back' : `next: btcr2-aggregator compose: ${waiting.join(', ')}`;
  }

  function exportAdvert(advert: AdvertExport, given: Given): number {
    const [form, other] = ['event', 'document', 'link', 'qr'].filter(name => given.has(name));
    if (other !== undefined) throw new UsageError(`--${form} and --${other} exclude each other`);
    if (form === 'qr') return showQr(advert.short_link);
    if (form === 'document' && advert.document === null)
      return complain('not_found', 'this advert is from before adverts had documents', EXIT.failed);
    if (form === 'event') stdout.write(toJson(advert.event));
    else if (form === 'document') stdout.write(toJson(advert.document));
    else if (form === 'link') stdout.write(isJson ? toJson(advert.link) : `${safeText(advert.link)}\n`);
    else print(advert, exportView);
    return EXIT.ok;
  }

  function showQr(link: string): number {
    if (isJson) throw new UsageError('--qr draws for people: programs find short_link in --json');
    const code = qrText(link, { colour: wantsColour(stdout, env) });
    if (code === null) return complain('too_long', 'the link is too long for a QR code', EXIT.failed);
    stdout.write(code);
    return EXIT.ok;
  }

  async function init(given: Given): Promise<number> {
    const { initialise } = await import('./init.ts');
    const result = initialise(
      {
        network: given.text('network'),
        mainnet: given.has('mainnet'),
        dir: given.text('dir'),
        relays: given.all('relay'),
        byHand: given.has('by-hand'),
        bitcoind: given.text('bitcoind'),
        cookie: given.text('cookie'),
        esplora: given.text('esplora'),
        force: given.has('force'),
      },
      { cwd: world.cwd, random: world.random, ...(env.HOME ? { home: env.HOME } : {}) },
    );
    print(result, initView);
    return EXIT.ok;
  }

  async function lock(given: Given): Promise<number> {
    const { lockKeys } = await import('./lock-keys.ts');
    const file = given.text('passphrase-file');
    const result = lockKeys(loadConfig(inputOf(world, given)), {
      ...(file === undefined ? {} : { passphraseFile: resolve(world.cwd, file) }),
      random: world.random,
      now: world.now,
    });
    print(result, lockView);
    return EXIT.ok;
  }

  async function restore(file: string, given: Given): Promise<number> {
    const { restoreState } = await import('./restore.ts');
    const { state_dir } = loadConfig(inputOf(world, given));
    const result = restoreState(state_dir, resolve(world.cwd, file), world.now());
    print(result, ({ cohorts, keys }) =>
      [
        `Put back into ${state_dir}: ${plural(cohorts, 'cohort')}; the keys were ${keys}.`,
        'Start the aggregator: it opens no round until `alarm clear COHORT restored`.',
        '',
      ]
        .map(safeText)
        .join('\n'),
    );
    return EXIT.ok;
  }

  async function showConfig(given: Given): Promise<number> {
    const shown = withoutSecrets(loadConfig(inputOf(world, given)));
    if (isJson) stdout.write(toJson(shown));
    else stdout.write((await import('smol-toml')).stringify(shown));
    return EXIT.ok;
  }

  async function doctor(given: Given): Promise<number> {
    const input = inputOf(world, given);
    const { checkNode, examine } = await import('./doctor.ts');
    const findings: Finding[] = [];
    const report = (finding: Finding): void => {
      findings.push(finding);
      if (!isJson) stdout.write(findingLine(finding));
    };
    let config: Config | null = null;
    try {
      config = loadConfig(input);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      report(checkNode(world.nodeVersion));
      for (const { key, text } of error.problems)
        report({ check: 'configuration', level: 'fail', text: `${key}: ${text}` });
      if (error.problems.length > 0 && configFileOf(input) === null)
        report({ check: 'configuration', level: 'fail', text: error.source });
    }
    if (config !== null) {
      const { chainOf } = await import('../daemon.ts');
      const chain = chainOf(config.chain);
      const options = { config, file: configFileOf(input), chain, nodeVersion: world.nodeVersion, now: world.now };
      try {
        for await (const finding of examine(options)) report(finding);
      } finally {
        await chain.close();
      }
    }
    const failed = findings.filter(({ level }) => level === 'fail').length;
    if (isJson) stdout.write(toJson({ ok: failed === 0, findings }));
    else stdout.write(failed === 0 ? '\nAll is well.\n' : `\n${failed} of ${findings.length} checks failed.\n`);
    return failed === 0 ? EXIT.ok : EXIT.failed;
  }

  function findingLine({ check, level, text }: Finding): string {
    const [sign, style]: [string, Style] =
      level === 'ok' ? ['ok  ', 'green'] : level === 'warn' ? ['warn', 'yellow'] : ['FAIL', 'red'];
    return `${paint(style, sign)}  ${paint('bold', safeText(check).padEnd(16))}  ${safeText(text)}\n`;
  }

  async function run(given: Given): Promise<number> {
    const config = loadConfig(inputOf(world, given));
    const log = createLogger({ ...config.log, stream: stderr, env });
    log('info', 'starting', { version: world.version, network: config.network, state: config.state_dir });
    return runDaemon({
      config,
      log,
      startDaemon: await world.daemon(),
      onSignal: world.onSignal,
      exitNow: world.exitNow,
      onReady: (status, socket) => {
        log('info', 'ready', { identity: status.npub, cohorts: status.cohorts.length });
        if (isJson) stdout.write(`${JSON.stringify({ ready: true, socket, ...status })}\n`);
        else stdout.write(`${statusView(status, { paint, now: world.now() })}\ncontrol socket ${safeText(socket)}\n`);
      },
    });
  }
}

function lockView({ key_file, npub, passphrase_file, configured, state_keys }: LockResult): string {
  return [
    `${key_file} is locked by the passphrase in ${passphrase_file} (${npub})`,
    state_keys ? 'so are the transport keys in the state folder' : 'so will be the transport keys in the state folder',
    'copies and backups that were made before still hold the plain key',
    'keep the passphrase apart from the key: forgotten, it opens nothing',
    ...(configured
      ? []
      : [
          '',
          'Before the next start, write into the configuration, under [identity]:',
          `  passphrase_file = ${JSON.stringify(passphrase_file)}`,
        ]),
  ]
    .map(line => `${safeText(line)}\n`)
    .join('');
}

function initView(result: InitResult): string {
  const { config, relays_file, key_file, kept_key, npub, did, network } = result;
  return [
    `Wrote a configuration for ${network}:`,
    `  ${config}`,
    `  ${relays_file}`,
    `  ${key_file} (${kept_key ? 'kept as it was' : 'new; back it up, and show it to nobody'})`,
    '',
    `This aggregator is ${npub}`,
    `               and ${did}`,
    '',
    'Next: look through the configuration, then',
    `  btcr2-aggregator doctor --config ${config}`,
    `  btcr2-aggregator run --config ${config}`,
    '',
  ]
    .map(line => `${safeText(line)}\n`)
    .join('');
}

/** `TXID:VOUT` and an amount in satoshis. Throws UsageError. */
function readDeposit(outpoint = '', sats = ''): { txid: string; vout: number; value_sats: number } {
  const [, txid, digits] = /^([0-9a-f]{64}):(\d{1,10})$/i.exec(outpoint) ?? [];
  const value_sats = readInteger(sats);
  if (txid === undefined) throw new UsageError('TXID:VOUT has to be a transaction id, a colon, and an output number');
  if (!value_sats) throw new UsageError('SATS has to be a number of satoshis, 1 or more');
  return { txid: txid.toLowerCase(), vout: Number(digits), value_sats };
}
