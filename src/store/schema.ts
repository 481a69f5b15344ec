/** When a message passed each hop, and when each status of ours came. */
const HOPS = `
  -- JSON: when it was judged, when the agent was asked and answered
  ALTER TABLE inbox ADD COLUMN hops TEXT;
  -- each status of a message of ours once; they end with its row
  CREATE TABLE status (
    outbox INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    -- a row that is sent again has another
    wamid  TEXT NOT NULL,
    status TEXT NOT NULL,
    -- on WhatsApp's clock
    at     INTEGER NOT NULL,
    PRIMARY KEY (outbox, wamid, status)
  ) STRICT, WITHOUT ROWID;
  `;

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
  `
  -- every number and user id by which a person is known, or was; numbers in one spelling
  CREATE TABLE alias (
    id      TEXT NOT NULL,
    contact TEXT NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    since   INTEGER NOT NULL,
    -- when it became somebody else's, or nobody's
    until   INTEGER,
    PRIMARY KEY (id, contact)
  ) STRICT;
  CREATE INDEX alias_contact ON alias (contact);
  ALTER TABLE contact ADD COLUMN name TEXT;
  ALTER TABLE contact ADD COLUMN username TEXT;
  -- as canonicalPhone() writes them
  INSERT OR IGNORE INTO alias (id, contact, since) SELECT CASE
      WHEN length(id) = 13 AND id GLOB '55[0-9][0-9]9*' THEN substr(id, 1, 4) || substr(id, 6)
      WHEN length(id) = 13 AND id GLOB '521*' THEN '52' || substr(id, 4)
      WHEN length(id) = 13 AND id GLOB '549*' THEN '54' || substr(id, 4)
      ELSE id END, id, 0 FROM contact ORDER BY last_inbound_at DESC;
  INSERT OR IGNORE INTO alias (id, contact, since) SELECT bsuid, id, 0 FROM contact WHERE bsuid IS NOT NULL;
  -- of several records of one number the one that wrote last keeps it
  UPDATE alias SET until = 1 WHERE EXISTS (SELECT 1 FROM alias AS other, contact AS mine, contact AS theirs
    WHERE other.id = alias.id AND other.contact != alias.contact AND mine.id = alias.contact AND theirs.id = other.contact
      AND (theirs.last_inbound_at, theirs.id) > (mine.last_inbound_at, mine.id));
  -- JSON of what was sent, when it is no plain text; "text" is what the agent reads of it
  ALTER TABLE inbox ADD COLUMN content TEXT;
  -- wamid of the message that it answers
  ALTER TABLE inbox ADD COLUMN quotes TEXT;
  -- JSON: what else came with it (username, referral, forwarded)
  ALTER TABLE inbox ADD COLUMN extras TEXT;
  -- states "context" (the agent has not seen it) and "told"; "not-a-question" is what older versions called both
  CREATE INDEX inbox_contact ON inbox (contact, seq);
  CREATE INDEX inbox_context ON inbox (contact, seq) WHERE state = 'context';
  -- when whoever claimed the row last said that it still works on it
  ALTER TABLE outbox ADD COLUMN alive_at INTEGER;
  -- wamid of the question that is quoted
  ALTER TABLE outbox ADD COLUMN quotes TEXT;
  -- JSON of the file that is sent; "text" is its caption then
  ALTER TABLE outbox ADD COLUMN media TEXT;
  `,
  HOPS,
  `
  -- JSON of what is neither text nor file; "text" describes it then
  ALTER TABLE outbox ADD COLUMN content TEXT;
  -- what the caller named the send, on its first part; the same key never sends twice
  ALTER TABLE outbox ADD COLUMN idempotency_key TEXT;
  -- tells whether the key was given for the same message
  ALTER TABLE outbox ADD COLUMN request TEXT;
  CREATE UNIQUE INDEX outbox_key ON outbox (idempotency_key) WHERE idempotency_key IS NOT NULL;
  -- a further state "held": waits until the person writes; when that was
  ALTER TABLE outbox ADD COLUMN released_at INTEGER;
  CREATE INDEX outbox_held ON outbox (contact) WHERE state = 'held';
  CREATE INDEX outbox_created ON outbox (created_at) WHERE inbox_seq IS NULL;
  -- when the person last wrote something that opens the 24-hour window, on WhatsApp's clock
  ALTER TABLE contact ADD COLUMN window_from INTEGER;
  UPDATE contact SET window_from = (SELECT max(sent_at) FROM inbox WHERE inbox.contact = contact.id
    AND kind NOT IN ('reaction', 'edit', 'revoke', 'system') AND state NOT IN ('history', 'group', 'system'));
  `,
  "ALTER TABLE contact RENAME COLUMN window_from TO opened_at",
];
