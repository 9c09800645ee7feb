/** How far a relay was read for a recipient, durably. `relay` is a normalised URL, `createdAt` Unix seconds. */
export interface CursorStore {
  get(relay: string, recipient: string): number | null;
  set(relay: string, recipient: string, createdAt: number): void;
}

/**
 * Where to read on: the oldest cursor of the recipients, clamped to now, minus the overlap; null: from the beginning.
 * The clamp keeps a cursor that a wrong clock, or a junk event, once pushed into the future from hiding messages.
 */
export function sinceOf(cursors: readonly (number | null)[], now: number, overlap: number): number | null {
  let since: number | null = null;
  for (const cursor of cursors) {
    if (cursor === null) return null;
    const from = Math.max(0, Math.min(cursor, now) - overlap);
    since = since === null ? from : Math.min(since, from);
  }
  return since;
}
