/** The part of the browsers' Web Locks API that is used. */
export interface TabLocks {
  request(
    name: string,
    options: { mode: 'exclusive'; ifAvailable: boolean },
    use: (lock: unknown) => Promise<void> | void,
  ): Promise<unknown>;
}

/** Another tab, window or worker of this browser has the wallet open. */
export class OpenInOtherTab extends Error {
  override readonly name = 'OpenInOtherTab';
  readonly wallet: string;
  constructor(wallet: string) {
    super(
      `the wallet ${JSON.stringify(wallet)} is open in another tab or window of this browser: close it there first`,
    );
    this.wallet = wallet;
  }
}

/**
 * Takes the one place that a wallet has among all tabs, windows and workers of an origin (Web Locks); the browser frees
 * it when a tab dies. Two at once would sign with nonces and sequences that do not know of each other. Rejects with
 * OpenInOtherTab at once, without waiting; `onLost` is told if the place is taken away. Resolves with how to free it.
 */
export function takeTabLock(locks: TabLocks, wallet: string, onLost: () => void): Promise<() => void> {
  return new Promise((resolve, reject) => {
    let held = false;
    let freed = false;
    const ended = locks.request(`btcr2-wallet ${wallet}`, { mode: 'exclusive', ifAvailable: true }, lock => {
      if (lock === null) {
        reject(new OpenInOtherTab(wallet));
        return;
      }
      held = true;
      return new Promise<void>(free =>
        resolve(() => {
          freed = true;
          free();
        }),
      );
    });
    ended.catch((error: unknown) => {
      if (!held) reject(error);
      else if (!freed) onLost();
    });
  });
}
