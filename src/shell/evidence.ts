import type { Transcript } from '../blame/index.ts';
import type { ChainView } from '../cohort/index.ts';
import { completed } from '../cohort/transcript.ts';
import { isRecord } from '../nostr/json.ts';
import { type EvidenceSummary, OperatorError } from '../operator/api.ts';
import type { EvidenceRow, Store } from '../store/index.ts';

/** The kept transcripts of one cohort, or of all, oldest first. */
export const evidenceSummaries = (store: Store, cohort?: string): EvidenceSummary[] =>
  [...store.evidence(cohort)].map(row => {
    const { participant_pk, session, envelopes } = transcriptIn(row);
    const body = envelopes[0]?.body;
    const said = isRecord(body) ? body.session_id : null;
    return {
      id: row.seq,
      cohort: row.stream,
      at: row.at,
      reason: row.reason,
      participant_pk,
      session_id: typeof said === 'string' ? said : null,
      round: session?.round ?? null,
    };
  });

/**
 * One kept transcript, for a file. The transaction that paid the outpoint is put in if the chain could not be seen when
 * it was kept. Throws OperatorError `not_found`.
 */
export function exportedTranscript(store: Store, id: number, view: (cohort: string) => ChainView | null): Transcript {
  for (const row of store.evidence()) if (row.seq === id) return completed(transcriptIn(row), view(row.stream));
  throw new OperatorError('not_found', `there is no evidence ${id}`);
}

/** Written by this program's own host, and by nobody else. */
const transcriptIn = ({ body }: EvidenceRow): Transcript => body as Transcript;
