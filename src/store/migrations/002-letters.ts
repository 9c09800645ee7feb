/**
 * message: id of the envelope that the event carries, whole or in part; null for what is for everybody. letter: that
 * envelope as text, where its sender could not read it back from the event, as in a gift wrap.
 */
export const letters = {
  version: 2,
  sql: `
ALTER TABLE outbox ADD COLUMN message TEXT;
ALTER TABLE outbox ADD COLUMN letter TEXT;
CREATE INDEX outbox_message ON outbox (message) WHERE message IS NOT NULL;
`,
} as const;
