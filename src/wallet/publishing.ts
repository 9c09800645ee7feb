import { type ContentStore, ContentStoreError, putChecked } from '../content/store.ts';
import { utf8 } from '../crypto/index.ts';
import { jcs } from '../did/index.ts';
import { type PublishApi, type Published, WalletError } from './api.ts';
import { provenBeaconOf, type WalletDid, type WalletState, type WalletUpdate } from './core.ts';

export interface PublishingParts {
  /** Null where no store is configured: then nothing can be published. */
  content: ContentStore | null;
  state: () => WalletState;
  didOf: (did: string) => WalletDid;
  pause: (ms: number) => Promise<void>;
}

/** Pauses between tries, milliseconds. A person waits for this: whoever wants more asks again. */
const PAUSES = [1_000, 2_000, 4_000];

/** Publishes signed updates when their controller asks for it, and never otherwise. */
export function createPublishing({ content, state, didOf, pause }: PublishingParts): PublishApi {
  return {
    async publish({ did, version, reveal = false }) {
      if (content === null)
        throw new WalletError('refused', 'no content store is configured: set cas.kubo_url in wallet.toml');
      const own = didOf(did);
      const known = own.updates.filter(
        update => update.state === 'final' && (version ?? update.version) === update.version,
      );
      if (known.length === 0)
        throw new WalletError(
          'refused',
          version === undefined
            ? `${did} has no update that is final: what is not six deep on the chain may never be announced`
            : `version ${version} of ${did} is not final: what is not six deep on the chain may never be announced`,
        );
      const hidden = known.find(update => isHidden(state(), own, update));
      if (hidden && !reveal)
        throw new WalletError(
          'refused',
          `version ${hidden.version} was kept from its aggregator, as a hash or in a blinded cohort: published, anybody reads it, for good. If you mean it, say so with \`reveal\` (--reveal)`,
        );
      const published: Published[] = [];
      for (const { version: of, announcement, update } of known) {
        const cid = await putPatiently(content, utf8(jcs(update)));
        published.push({ did, version: of, announcement, cid });
      }
      return published;
    },
  };

  async function putPatiently(store: ContentStore, bytes: Uint8Array): Promise<string> {
    for (let i = 0; ; i++)
      try {
        return await putChecked(store, bytes);
      } catch (error) {
        if (!(error instanceof ContentStoreError)) throw error;
        const isPassing = error.code === 'unreachable' || error.code === 'refused';
        const wait = PAUSES[i];
        if (!isPassing || wait === undefined) throw new WalletError('refused', `not published: ${error.message}`);
        await pause(wait);
      }
  }
}

/** Whether an update was kept from an aggregator: sent by its hash alone, or of a DID in a blinded cohort. */
function isHidden(state: WalletState, own: WalletDid, { bare, cohorts }: WalletUpdate): boolean {
  const blinded = [...state.cohorts.values()].filter(({ terms }) => terms.privacy === 'blinded');
  return (
    bare ||
    blinded.some(membership => {
      const beacon = provenBeaconOf(membership);
      const isNamed = beacon !== null && (own.named.has(beacon.beacon_address) || beacon.registrations.has(own.did));
      return isNamed || cohorts.includes(membership.cohort);
    })
  );
}
