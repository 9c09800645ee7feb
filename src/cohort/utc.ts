/** A Unix time (seconds) as people read it: UTC, to the second (RFC 3339). */
export const utc = (at: number): string => new Date(at * 1_000).toISOString().replace('.000Z', 'Z');
