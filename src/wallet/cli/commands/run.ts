import { utc } from '../../../cohort/utc.ts';
import { serveControl } from '../../../operator/control.ts';
import type { Wallet } from '../../client.ts';
import { loadWalletConfig } from '../../config.ts';
import { type Command, EXIT, type ExitCode, type Invocation, NETWORKING, Refused } from '../command.ts';
import { writeJson, writeLines } from '../io.ts';
import { cohortOf, describeNews, type News } from '../news.ts';
import { homeOf, openUnlessServed, socketPath, sourcesOf } from '../open.ts';
import { localPort } from '../port.ts';
import { SOCKET_LIMITS, walletMethods } from '../served.ts';

export const run: Command = {
  name: 'run',
  arguments: [],
  summary: 'keep the wallet at its relays and answer rounds',
  details: [
    'Confirms cohorts, checks every request to sign against its own view of the chain, signs or vetoes, follows signals on',
    'the chain, and prints a line for each. Ends on SIGINT or SIGTERM. Other commands reach the wallet through it,',
    'by the socket wallet.sock in its folder.',
  ].join('\n'),
  options: NETWORKING,
  async run(invocation) {
    const home = homeOf(invocation);
    const config = loadWalletConfig(home, sourcesOf(invocation));
    const log = invocation.log(config.log_level);
    const opened = await openUnlessServed(invocation, config);
    if (opened === null) throw new Refused('in_use', 'another btcr2-wallet process has this wallet open');
    const { wallet, close } = opened;
    try {
      const methods = walletMethods(localPort(wallet), { pid: process.pid, network: config.network });
      const control = await serveControl(socketPath(home), methods, {
        limits: SOCKET_LIMITS,
        onError: (method, error) =>
          log('debug', 'a request over the socket failed', { method, error: error instanceof Error ? error.name : '' }),
      });
      try {
        const unlisten = wallet.onEvent(news => tell(invocation, wallet, news));
        wallet.start();
        announce(invocation, config);
        const code = await ended(invocation, wallet);
        unlisten();
        return code;
      } finally {
        await control.close();
      }
    } finally {
      await close();
    }
  },
};

function announce(invocation: Invocation, { home, network, relays, chain }: ReturnType<typeof loadWalletConfig>): void {
  const socket = socketPath(home);
  const backend = chain?.backend ?? null;
  if (invocation.json)
    writeJson(invocation, { type: 'running', pid: process.pid, home, socket, network, relays, chain: backend });
  else
    writeLines(invocation, [
      `wallet ${home} is running on ${network}: ${relays.length === 0 ? 'no relays, messages are carried by hand (compose, deliver)' : relays.join(', ')}; ${backend === null ? 'no view of the chain, so nothing new is signed' : `chain by ${backend}`}`,
    ]);
}

/** A line an event. What the log of the wallet keeps in full, such as proofs, stays there. */
function tell(invocation: Invocation, wallet: Wallet, news: News): void {
  const id = cohortOf(news);
  const { cohorts, dids } = wallet.status();
  const cohort = cohorts.find(view => view.cohort === id);
  const text = describeNews(news, cohort, did => dids.find(own => own.did === did)?.name ?? did);
  if (text === null) return;
  if (invocation.json)
    writeJson(invocation, {
      at: invocation.io.now(),
      type: news.type,
      cohort: id,
      advert_id: cohort?.advert_id ?? null,
      text,
      event: news,
    });
  else
    writeLines(invocation, [
      `${utc(invocation.io.now())} ${cohort === undefined ? '' : `${cohort.advert_id}: `}${text}`,
    ]);
}

/** Resolves when the process is told to end; rejects when the wallet cannot go on. */
function ended({ io }: Invocation, wallet: Wallet): Promise<ExitCode> {
  const told = new Promise<ExitCode>(resolve => {
    if (io.signal.aborted) resolve(EXIT.ok);
    io.signal.addEventListener('abort', () => resolve(EXIT.ok), { once: true });
  });
  return Promise.race([told, wallet.failed]);
}
