/** The backend did not answer: refused, timed out, starting up, overloaded. Worth another try; a submitted transaction may have been sent. */
export class ChainUnreachable extends Error {
  constructor(reason: string) {
    super(`chain backend unreachable: ${reason}`);
    this.name = 'ChainUnreachable';
  }
}

export type ChainErrorCode =
  | 'unauthorized'
  | 'rpc'
  | 'bad_answer'
  | 'bad_address'
  | 'rescan_failed'
  | 'unsettled'
  | 'unknown_network'
  | 'wrong_network';

/** The backend answered, and the answer cannot be used; `rpcCode` is the node's own number where there is one. */
export class ChainError extends Error {
  readonly code: ChainErrorCode;
  readonly rpcCode: number | null;

  constructor(code: ChainErrorCode, message: string, rpcCode: number | null = null) {
    super(message);
    this.name = 'ChainError';
    this.code = code;
    this.rpcCode = rpcCode;
  }
}
