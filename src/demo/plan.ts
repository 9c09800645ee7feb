/** Which DIDs are updated in which round: `[wallet, did]`, counted from 0; the DID after the last is the late one. */
export type Choice = [wallet: number, did: number];

/**
 * A different part of the DIDs in every round. The first one is updated in the first two rounds and never again, the last
 * one never; from the third round on, the DIDs that joined late take their turn, so that no round is empty.
 */
export function choose(round: number, size: { members: number; dids: number; rounds: number }): Choice[] {
  const { members, dids, rounds } = size;
  const chosen: Choice[] = [];
  if (round <= 2) chosen.push([0, 0]);
  for (let i = 1; i < members * dids - 1; i++)
    if ((i - 1) % rounds === round - 1) chosen.push([Math.floor(i / dids), i % dids]);
  if (round >= 3) chosen.push([(round - 3) % members, dids]);
  return chosen;
}

const NAMES = ['alexis', 'satoshi', 'hal', 'adam', 'wei', 'nick', 'david', 'ralph'];
export const nameOf = (wallet: number): string => NAMES[wallet] ?? `member-${wallet + 1}`;
