import type { Batch, Store } from '../../src/store/types.ts';

/** A batch that touches every table; the number of each part tells afterwards whether it is there whole. */
export const step = (n: number): Batch => ({
  seen: [{ id: `seen ${n}`, at: n }],
  events: [
    { stream: 'cohort', type: 'first', at: n, body: { n } },
    { stream: 'cohort', type: 'second', at: n, body: { n, padding: 'x'.repeat(n % 3_000) } },
  ],
  outbox: [
    {
      id: `event ${n}`,
      to: 'member',
      event: { id: `event ${n}`, pubkey: 'author', created_at: n, kind: 8252, tags: [], content: '', sig: '' },
      createdAt: n,
      expiresAt: 2_000_000_000,
      kind: 8252,
    },
  ],
  answers: [{ key: `message ${n}`, eventIds: [`event ${n}`] }],
  broadcasts: [{ txid: `tx ${n}`, hex: '00', stream: 'cohort', at: n }],
  artifacts: [{ stream: 'cohort', key: `signal ${n}`, bytes: Uint8Array.of(n & 0xff, n >> 8) }],
  meta: [{ key: 'last', value: `${n}` }],
  evidence: [{ stream: 'cohort', at: n, reason: 'test', body: { n } }],
});

/** How many steps a store holds. Throws if one is there in part, or if any is missing before the last. */
export function countSteps(store: Store): number {
  const log = [...store.read('cohort')].map(row => (row.body as { n: number }).n);
  const count = log.length / 2;
  const numbers = Array.from({ length: count }, (_, n) => n);
  const parts: Record<string, unknown[]> = {
    log: log.filter((_, i) => i % 2 === 0),
    'second events': log.filter((_, i) => i % 2 === 1),
    seen: numbers.filter(n => store.hasSeen(`seen ${n}`)),
    answers: numbers.filter(n => store.answersFor(`message ${n}`)?.[0]?.id === `event ${n}`),
    evidence: [...store.evidence()].map(row => (row.body as { n: number }).n),
    broadcasts: store.broadcasts().map(tx => Number(tx.txid.slice(3))),
    artifacts: [...store.artifacts('cohort')].map(({ key }) => Number(key.slice(7))),
    outbox: store.outbox.due('wss://steps', 0, count + 10).map(({ id }) => Number(id.slice(6))),
  };
  for (const [part, found] of Object.entries(parts))
    if (found.length !== count || found.some((n, i) => n !== i))
      throw new Error(`${part}: ${found.length} of ${count} steps`);
  if (count > 0 && store.meta('last') !== `${count - 1}`) throw new Error('meta: not that of the last step');
  if (store.hasSeen(`seen ${count}`) || store.answersFor(`message ${count}`) !== null)
    throw new Error('a step beyond the log is there in part');
  return count;
}
