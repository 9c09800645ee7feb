/** The errors of the did:btcr2 specification, and those of DID Resolution that it refers to. */
export type DidErrorCode =
  | 'INVALID_DID'
  | 'INVALID_DID_DOCUMENT'
  | 'INVALID_DID_UPDATE'
  | 'INVALID_OPTIONS'
  | 'INVALID_SIGNAL_DATA'
  | 'LATE_PUBLISHING'
  | 'MISSING_UPDATE_DATA'
  | 'NOT_FOUND';

/** Which part is at fault; only what is known is set. */
export interface DidErrorDetail {
  did?: string;
  /** Property of the update, document or options. */
  field?: string;
  /** The beacon signal it is about: transaction id, beacon address, block height, signal bytes in hex. */
  txid?: string;
  address?: string;
  height?: number;
  signalBytes?: string;
  /** What the sidecar lacks or has wrong. */
  part?: SidecarPart;
  /** Announcement (base64url) of the update it is about. */
  updateHash?: string;
  targetVersionId?: number;
  /** With MISSING_UPDATE_DATA: everything that the beacons read so far lack, not only the first of it. */
  missing?: readonly MissingPart[];
}

/** A kind of data that only the sidecar can bring. */
export type SidecarPart = 'update' | 'cas-announcement' | 'smt-proof';

/** Something the sidecar lacks, and the beacon signal that calls for it; `hash` (base64url) is the key it is looked up by. */
export interface MissingPart {
  part: SidecarPart;
  hash: string;
  txid: string;
  address: string;
  height: number;
}

/** A did:btcr2 operation failed: `code` as the specification names it, `reason` in words, `detail` naming the part. */
export class DidError extends Error {
  override readonly name = 'DidError';
  readonly code: DidErrorCode;
  readonly reason: string;
  readonly detail: DidErrorDetail;

  constructor(code: DidErrorCode, reason: string, detail: DidErrorDetail = {}, options?: ErrorOptions) {
    super(`${code}: ${reason}`, options);
    this.code = code;
    this.reason = reason;
    this.detail = detail;
  }
}

/** Runs something, adding to the detail of a DidError what only the caller knows, such as the signal it came from. */
export function withDetail<T>(detail: DidErrorDetail, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof DidError)) throw error;
    throw new DidError(error.code, error.reason, { ...detail, ...error.detail }, { cause: error });
  }
}
