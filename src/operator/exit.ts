/** Exit codes of both programs; `help` tells them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notRunning: 3 } as const;

export const EXIT_HELP = `Exit codes:
  0  done
  1  refused, or failed
  2  wrong usage, or a configuration that cannot be used
  3  the daemon is not running`;
