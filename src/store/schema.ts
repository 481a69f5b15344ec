/**
 * Steps of the schema, oldest first; `user_version` counts the steps done. A released step never changes.
 * Times are milliseconds since 1970.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE inbox (
    seq             INTEGER PRIMARY KEY,
    phone_number_id TEXT NOT NULL,
    wamid           TEXT NOT NULL,
    contact         TEXT NOT NULL,
    phone           TEXT,
    bsuid           TEXT,
    name            TEXT,
    kind            TEXT NOT NULL,
    text            TEXT NOT NULL,
    sent_at         INTEGER NOT NULL,
    received_at     INTEGER NOT NULL,
    source          TEXT NOT NULL,
    -- pending, then one of: answered, silent, failed, denied, limited, stale, history, group, not-a-question
    state           TEXT NOT NULL,
    settled_at      INTEGER,
    UNIQUE (phone_number_id, wamid)
  ) STRICT;
  CREATE INDEX inbox_pending ON inbox (seq) WHERE state = 'pending';
  CREATE INDEX inbox_received ON inbox (received_at);

  CREATE TABLE outbox (
    -- never given twice: people note it down
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- rows of one answer share it; a refused part takes the later ones with it
    batch       TEXT NOT NULL,
    part        INTEGER NOT NULL,
    inbox_seq   INTEGER REFERENCES inbox (seq) ON DELETE SET NULL,
    contact     TEXT NOT NULL,
    phone       TEXT,
    bsuid       TEXT,
    text        TEXT NOT NULL,
    tracking_id TEXT NOT NULL UNIQUE,
    -- queued, sending, doubt, accepted, dead
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    doubts      INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL,
    -- who works on the row in state sending, and since when
    claimed_by  TEXT,
    claimed_at  INTEGER,
    -- when the try began whose outcome is unknown
    doubtful_since INTEGER,
    wamid       TEXT,
    code        TEXT,
    error       TEXT,
    created_at  INTEGER NOT NULL,
    settled_at  INTEGER
  ) STRICT;
  CREATE INDEX outbox_open ON outbox (contact, id) WHERE state IN ('queued', 'sending', 'doubt');
  CREATE INDEX outbox_wamid ON outbox (wamid) WHERE wamid IS NOT NULL;
  CREATE INDEX outbox_settled ON outbox (settled_at) WHERE settled_at IS NOT NULL;

  CREATE TABLE contact (
    id              TEXT PRIMARY KEY,
    phone           TEXT,
    bsuid           TEXT,
    last_inbound_at INTEGER NOT NULL,
    denied_at       INTEGER
  ) STRICT;

  CREATE TABLE quarantine (
    id      TEXT PRIMARY KEY,
    reason  TEXT NOT NULL,
    raw     TEXT NOT NULL,
    seen_at INTEGER NOT NULL
  ) STRICT;

  -- small facts by name: cursors of sources, the daemon's own state
  CREATE TABLE fact (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    changed_at INTEGER NOT NULL
  ) STRICT;
  `,
  `
  -- when each kind of source first brought the message; the gap detector compares them
  ALTER TABLE inbox ADD COLUMN polled_at INTEGER;
  ALTER TABLE inbox ADD COLUMN webhook_at INTEGER;
  UPDATE inbox SET polled_at = received_at;
  ALTER TABLE inbox DROP COLUMN source;
  -- how far an accepted message got: sent, delivered, read, played, failed
  ALTER TABLE outbox ADD COLUMN status TEXT;
  ALTER TABLE outbox ADD COLUMN status_at INTEGER;
  `,
];
