import { parseArgs } from 'node:util';
import { startTestRelay } from './relay.ts';

const USAGE = `A Nostr relay for tests and for trying things out: it keeps everything in memory.

Usage: npm run relay -- [--port N] [--host ADDRESS]

  --port N        where to listen; a free port unless told
  --host ADDRESS  127.0.0.1 unless told
  -h, --help      show this help

Prints one JSON line, {"url":"ws://…"}, and ends on SIGTERM or SIGINT.
`;

function read(): { port: number; host: string } {
  try {
    const options = {
      port: { type: 'string' },
      host: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    } as const;
    const { port = '0', host = '127.0.0.1', help } = parseArgs({ options }).values;
    if (help) {
      process.stdout.write(USAGE);
      process.exit(0);
    }
    if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new Error('--port takes a number up to 65535');
    return { port: Number(port), host };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

/** Runs the test relay as a process. */
const relay = await startTestRelay(read());
process.stdout.write(`${JSON.stringify({ url: relay.url })}\n`);

let isStopping = false;
async function stop(): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  await relay.stop();
  process.exit(0);
}
process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
