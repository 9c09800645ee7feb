import { parseArgs } from 'node:util';
import { startTestRelay } from './relay.ts';

/** Runs the test relay as a process: `--port` (0: a free one), `--host`; its URL as one JSON line; ends on SIGTERM. */
const { values } = parseArgs({ options: { port: { type: 'string' }, host: { type: 'string' } } });
const relay = await startTestRelay({ port: Number(values.port ?? 0), host: values.host ?? '127.0.0.1' });
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
