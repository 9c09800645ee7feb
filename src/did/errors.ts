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
  part?: 'update' | 'cas-announcement' | 'smt-proof';
  /** Announcement (base64url) of the update it is about. */
  updateHash?: string;
  targetVersionId?: number;
}

/** A did:btcr2 operation failed: `code` as the specification names it, `detail` naming the part. */
export class DidError extends Error {
  override readonly name = 'DidError';
  readonly code: DidErrorCode;
  readonly detail: DidErrorDetail;

  constructor(code: DidErrorCode, message: string, detail: DidErrorDetail = {}, options?: ErrorOptions) {
    super(`${code}: ${message}`, options);
    this.code = code;
    this.detail = detail;
  }
}
