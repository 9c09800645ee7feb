/** Schema version 1. Never edited once released: a change is a new file with the next number. */
export const first = {
  version: 1,
  sql: `
CREATE TABLE seen (
  id TEXT PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_at ON seen (at);

CREATE TABLE log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  stream TEXT NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX log_stream ON log (stream, seq);

-- slot: kind, author and d tag of a replaceable event, of which only the newest is worth sending.
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  recipient TEXT NOT NULL,
  kind INTEGER NOT NULL,
  event TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  answers TEXT,
  slot TEXT,
  superseded INTEGER NOT NULL DEFAULT 0 CHECK (superseded IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX outbox_slot ON outbox (slot) WHERE slot IS NOT NULL AND superseded = 0;

-- upto: outbox rows up to this one were given to the relay.
CREATE TABLE relays (
  id INTEGER PRIMARY KEY,
  url TEXT NOT NULL UNIQUE,
  upto INTEGER NOT NULL
) STRICT;

-- What still has to reach each relay; a settled row is deleted.
CREATE TABLE deliveries (
  relay INTEGER NOT NULL REFERENCES relays (id),
  seq INTEGER NOT NULL REFERENCES outbox (seq) ON DELETE CASCADE,
  due_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  error TEXT,
  PRIMARY KEY (relay, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (relay, due_at);
CREATE INDEX deliveries_expiry ON deliveries (relay, expires_at);
CREATE INDEX deliveries_seq ON deliveries (seq);

CREATE TABLE answers (
  key TEXT PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE answer_events (
  key TEXT NOT NULL REFERENCES answers (key) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  seq INTEGER NOT NULL REFERENCES outbox (seq),
  PRIMARY KEY (key, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX answer_events_seq ON answer_events (seq);

CREATE TABLE cursors (
  relay TEXT NOT NULL,
  recipient TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (relay, recipient)
) STRICT, WITHOUT ROWID;

CREATE TABLE broadcasts (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  txid TEXT NOT NULL UNIQUE,
  hex TEXT NOT NULL,
  stream TEXT NOT NULL,
  at INTEGER NOT NULL,
  settled INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1))
) STRICT;
CREATE INDEX broadcasts_open ON broadcasts (seq) WHERE settled = 0;

CREATE TABLE artifacts (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  stream TEXT NOT NULL,
  key TEXT NOT NULL,
  bytes BLOB NOT NULL,
  UNIQUE (stream, key)
) STRICT;
CREATE INDEX artifacts_stream ON artifacts (stream, seq);

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  stream TEXT NOT NULL,
  at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX evidence_stream ON evidence (stream, seq);
`,
} as const;
