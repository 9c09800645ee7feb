/** A signal without a single update was asked for: it would cost every DID behind the beacon a proof, for nothing. */
export class NoUpdateError extends Error {
  constructor() {
    super('a beacon signal needs at least one update');
    this.name = 'NoUpdateError';
  }
}

/** An entry cannot be put into a signal of this beacon type. `index` is the entry's index in lowercase hex. */
export class SignalEntryError extends Error {
  readonly index: string;
  constructor(index: string, reason: string) {
    super(`signal entry ${index}: ${reason}`);
    this.name = 'SignalEntryError';
    this.index = index;
  }
}
