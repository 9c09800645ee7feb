import { monitorEventLoopDelay } from 'node:perf_hooks';
import { serveAsk } from './answering.ts';

/** What a process says about itself; loaded before the daemon, which knows nothing of it. */
export interface Vitals {
  cpuMs: number;
  rssMib: number;
  peakMib: number;
  /** The longest that the event loop stood still since the last question, in milliseconds. */
  stallMs: number;
}

const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
/** It must not keep the daemon's process when the daemon is done. */
process.channel?.unref();

serveAsk({
  vitals(): Vitals {
    const { user, system } = process.cpuUsage();
    const vitals = {
      cpuMs: (user + system) / 1_000,
      rssMib: process.memoryUsage().rss / 2 ** 20,
      peakMib: process.resourceUsage().maxRSS / 1_024,
      stallMs: delay.max / 1e6,
    };
    delay.reset();
    return vitals;
  },
});
process.channel?.unref();
