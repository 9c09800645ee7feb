export type ContributionKind = 'pubkey' | 'pubnonce' | 'aggnonce' | 'psig';

/**
 * A value that one signer sent is wrong on its own, so that blame is a number: `signer` is its position in the list
 * that was passed in; null for an aggregated nonce, which comes from the aggregator (BIP-327, "invalid_contribution").
 */
export class InvalidContributionError extends Error {
  override readonly name = 'InvalidContributionError';
  readonly signer: number | null;
  readonly kind: ContributionKind;

  constructor(signer: number | null, kind: ContributionKind, why: string) {
    super(signer === null ? `invalid ${kind}: ${why}` : `invalid ${kind} of signer ${signer}: ${why}`);
    this.signer = signer;
    this.kind = kind;
  }
}

export type MusigFault =
  | 'too_few_keys'
  | 'unknown_key_set'
  | 'unknown_session'
  | 'bad_length'
  | 'bad_tweak'
  | 'bad_secret_key'
  | 'not_a_signer'
  | 'other_session'
  | 'nonce_used'
  | 'partials_missing'
  | 'signature_invalid';

/** MuSig2 was called in a way that must not go on; `code` says how. Never carries secrets. */
export class MusigError extends Error {
  override readonly name = 'MusigError';
  readonly code: MusigFault;

  constructor(code: MusigFault, why: string) {
    super(why);
    this.code = code;
  }
}

/** An address, script, transaction or PSBT is not what it has to be; `field` names the part. */
export class BitcoinFormatError extends Error {
  override readonly name = 'BitcoinFormatError';
  readonly field: string;

  constructor(field: string, why: string) {
    super(`${field}: ${why}`);
    this.field = field;
  }
}
