import type { Bytes } from '../crypto/index.ts';

export type KeyKind = 'identity' | 'transport' | 'cohort' | 'did' | 'nonces';

/**
 * What a cohort key may be lent for: MuSig2 nonces and partial signatures of a transaction that the wallet checked, or a
 * BIP-340 signature over a statement with a tagged hash of its own; or, where the terms have a fallback policy, over the
 * sighash of a checked transaction in the fallback leaf, which no key path takes. A plain BIP-340 signature by it could be a
 * transaction's of a cohort of one, or help a rogue-key attack.
 */
export type CohortKeyUse = 'musig' | 'statement' | 'fallback';

/** Holds secret keys and lends them: nobody keeps one. Public keys are 33-byte compressed hex; x-only hex finds them too. */
export interface KeyStore {
  /**
   * Draws a key, or derives the next one of its kind from the seed (which has one nonce key only), and stores it durably
   * before it is used. Returns the compressed public key.
   */
  create(kind: KeyKind): string;
  has(publicKey: string): boolean;
  /**
   * Deletes a cohort key for good, durably, and says whether it was here: where it is a file, its bytes are overwritten too.
   * Throws KeyUseRefused for a key of any other kind.
   */
  deleteCohortKey(publicKey: string): boolean;
  /**
   * Runs `use` with a copy of the secret, wiped afterwards. A cohort key is lent only to who says for which of its
   * uses, no other key for those. Throws KeyUnknown for a key that is not here, KeyUseRefused for a use that its kind does
   * not have.
   */
  lend<T>(publicKey: string, use: (secret: Bytes) => T, cohortKeyUse?: CohortKeyUse): T;
}

export class KeyUnknown extends Error {
  override readonly name = 'KeyUnknown';

  constructor(publicKey: string) {
    super(`the key store has no secret for ${publicKey}`);
  }
}

/** A key was asked for something that keys of its kind never do. */
export class KeyUseRefused extends Error {
  override readonly name = 'KeyUseRefused';

  constructor(publicKey: string, kind: KeyKind) {
    super(
      kind === 'cohort'
        ? `the cohort key ${publicKey} signs by MuSig2 or a fallback inside the wallet and its own statements, nothing else`
        : `${publicKey} is a ${kind} key: only a cohort key signs by MuSig2 and a cohort's statements, and is deleted`,
    );
  }
}

/** Throws KeyUseRefused unless keys of that kind may be lent for that use. */
export function requireUse(publicKey: string, kind: KeyKind, cohortKeyUse: CohortKeyUse | undefined): void {
  if ((kind === 'cohort') !== (cohortKeyUse !== undefined)) throw new KeyUseRefused(publicKey, kind);
}

/** Why a key file cannot be used. */
export type KeyFileFault = 'open_mode' | 'format' | 'locked' | 'wrong_passphrase' | 'damaged' | 'no_seed';

/** The key file cannot be used as it is; the message says what to do, and quotes nothing of it. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
  readonly fault: KeyFileFault;

  constructor(message: string, fault: KeyFileFault = 'format') {
    super(message);
    this.fault = fault;
  }
}
