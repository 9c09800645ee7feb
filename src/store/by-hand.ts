/** Stands among the relays for the way by file: what waits for it has not been written to a file yet. */
export const BY_HAND = 'by-hand:';
