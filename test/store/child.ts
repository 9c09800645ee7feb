import { writeSync } from 'node:fs';
import { openStore } from '../../src/store/index.ts';
import { step } from './steps.ts';

const say = (text: string) => writeSync(1, `${text}\n`);
const stay = () => process.stdin.resume();

function open(path: string) {
  try {
    return openStore(path, { application: 'aggregator' });
  } catch (error) {
    say(error instanceof Error ? error.name : 'unknown');
    return process.exit(0);
  }
}

const [mode, path = '', from = '0'] = process.argv.slice(2);
if (mode === 'commit') {
  const store = open(path);
  for (let n = Number(from); ; n++) {
    store.commit(step(n));
    say(`${n}`);
  }
} else if (mode === 'hold') {
  const store = open(path);
  say('open');
  process.stdin.on('end', () => store.close());
  stay();
} else if (mode === 'forget') {
  // The caller drops its store: collecting it must not give the lock away.
  open(path);
  for (let i = 0; i < 5; i++) (globalThis as { gc?: () => void }).gc?.();
  setTimeout(() => {
    (globalThis as { gc?: () => void }).gc?.();
    say('open');
    stay();
  }, 20);
}
