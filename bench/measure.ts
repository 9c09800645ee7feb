import { fork } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds that `run` takes: by the clock, and of this process's processor time, which other programs disturb less. */
export function timed<T>(run: () => T): { ms: number; cpuMs: number; result: T } {
  const start = performance.now();
  const before = process.cpuUsage();
  const result = run();
  const { user, system } = process.cpuUsage(before);
  return { ms: performance.now() - start, cpuMs: (user + system) / 1_000, result };
}

/** Median milliseconds of one call over `times` calls, after a tenth as many that do not count. */
export function perCall(times: number, run: (i: number) => unknown): number {
  for (let i = 0; i < Math.ceil(times / 10); i++) run(i);
  const taken = Array.from({ length: times }, (_, i) => {
    const start = performance.now();
    run(i);
    return performance.now() - start;
  });
  return taken.sort((a, b) => a - b)[times >> 1]!;
}

/** Watches how long this process's event loop stood still at worst. */
export function watchStalls(): () => number {
  const watch = monitorEventLoopDelay({ resolution: 5 });
  watch.enable();
  return () => {
    watch.disable();
    return watch.max / 1e6;
  };
}

/** Runs one job of a bench in a process of its own, so that its peak memory is its own too. */
export function inProcess<T>(module: string, job: unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = fork(module, { serialization: 'advanced' });
    let answer: T | undefined;
    child.once('message', message => {
      answer = message as T;
    });
    child.once('exit', code =>
      answer === undefined ? reject(new Error(`${module} ended with ${code}`)) : resolve(answer),
    );
    child.send(job as object);
  });
}

/** The other end of `inProcess`. */
export function onJob<J>(run: (job: J) => Promise<object> | object): void {
  process.once('message', message => {
    void Promise.resolve(run(message as J)).then(answer => {
      process.send!(answer, () => process.disconnect());
    });
  });
}

/** Peak resident memory of this process so far, in MiB. */
export const peakMib = (): number => process.resourceUsage().maxRSS / 1_024;
