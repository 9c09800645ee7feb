import type { Session, Step } from './state.ts';

/** Every transaction that members may have signed in a session: the key path's, and the fallback's. */
export function allSteps({ steps, fallback }: Pick<Session, 'steps' | 'fallback'>): Step[] {
  const known = new Set(steps.map(({ txid }) => txid));
  return [...steps, ...(fallback?.steps ?? []).filter(({ txid }) => !known.has(txid))];
}
