import { rmSync } from 'node:fs';
import { HELP, OptionError, readOptions } from './options.ts';
import { createProgress } from './progress.ts';
import { show } from './show.ts';
import { startWorld, type World } from './world.ts';

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (!options) {
    process.stdout.write(HELP);
    return 0;
  }
  const progress = createProgress(options.json);
  let world: World | null = null;
  let isDone = false;
  let signalled = false;
  let interrupted: () => void = () => {};
  const signal = new Promise<void>(resolve => {
    interrupted = resolve;
  });
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  const stopped = signal.then(() => {
    signalled = true;
    throw new Error('interrupted');
  });
  stopped.catch(() => {});
  try {
    progress.step('did:btcr2 aggregation over Nostr, on this machine only');
    world = await Promise.race([startWorld(options.members, text => progress.say(text)), stopped]);
    await Promise.race([show(world, options, progress), stopped]);
    progress.step(`${options.rounds} signals confirmed. The files are in ${options.out}/`);
    if (options.stay) {
      progress.say(`still running; stop with Ctrl-C. To join with a wallet of your own:
  npx btcr2-wallet init --home my-wallet --network regtest --relay ${world.relay} --esplora ${world.node.esploraUrl}
  npx btcr2-aggregator advert create --config ${world.dir}/aggregator/btcr2-aggregator.toml
  npx btcr2-wallet discover --home my-wallet`);
      await signal;
    }
    isDone = true;
    return 0;
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await world?.stop();
    // The logs are of use to nobody but who looks for a fault.
    if (world !== null && (isDone || signalled)) rmSync(world.dir, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  process.stderr.write(`${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}
process.exit();
