-- The state file of the first version, written down apart from src/store/schema.ts: what later versions do to their
-- code changes nothing in the files that people have. With work of every kind that an upgrade can meet.
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

PRAGMA user_version = 1;

-- Ann waits for an answer; Ben had his.
INSERT INTO inbox (seq, phone_number_id, wamid, contact, phone, name, kind, text, sent_at, received_at, source, state, settled_at) VALUES
  (1, '100000000000001', 'wamid.ben', '15550100002', '15550100002', 'Ben', 'text', 'answered long ago', unixepoch() * 1000 - 60000, unixepoch() * 1000 - 59000, 'poll', 'answered', unixepoch() * 1000 - 50000),
  (2, '100000000000001', 'wamid.ann1', '15550100001', '15550100001', 'Ann', 'text', 'one', unixepoch() * 1000 - 9000, unixepoch() * 1000 - 8000, 'poll', 'pending', NULL),
  (3, '100000000000001', 'wamid.ann2', '15550100001', '15550100001', 'Ann', 'text', 'two', unixepoch() * 1000 - 7000, unixepoch() * 1000 - 6000, 'poll', 'pending', NULL);

-- Ben's answer left in three parts: the first was taken, the second was being sent when the program ended, the third waits.
INSERT INTO outbox (id, batch, part, inbox_seq, contact, phone, text, tracking_id, state, attempts, due_at, claimed_by, claimed_at, wamid, created_at, settled_at) VALUES
  (1, 'ben', 0, 1, '15550100002', '15550100002', 'part 1', 'tracking-1', 'accepted', 1, unixepoch() * 1000 - 50000, NULL, NULL, 'wamid.out1', unixepoch() * 1000 - 50000, unixepoch() * 1000 - 49000),
  (2, 'ben', 1, 1, '15550100002', '15550100002', 'part 2', 'tracking-2', 'sending', 1, unixepoch() * 1000 - 50000, 'daemon', unixepoch() * 1000 - 48000, NULL, unixepoch() * 1000 - 50000, NULL),
  (3, 'ben', 2, 1, '15550100002', '15550100002', 'part 3', 'tracking-3', 'queued', 0, unixepoch() * 1000 - 50000, NULL, NULL, NULL, unixepoch() * 1000 - 50000, NULL);
-- wa-cli left one, and one was given up.
INSERT INTO outbox (id, batch, part, contact, phone, text, tracking_id, state, attempts, due_at, code, error, created_at, settled_at) VALUES
  (4, 'cli', 0, '15550100003', '15550100003', 'by wa-cli', 'tracking-4', 'queued', 0, unixepoch() * 1000 - 50000, NULL, NULL, unixepoch() * 1000 - 50000, NULL),
  (5, 'old', 0, '15550100004', '15550100004', 'given up', 'tracking-5', 'dead', 3, unixepoch() * 1000 - 50000, 'refused', 'Refused', unixepoch() * 1000 - 50000, unixepoch() * 1000 - 40000);

INSERT INTO contact (id, phone, last_inbound_at) VALUES
  ('15550100001', '15550100001', unixepoch() * 1000 - 7000),
  ('15550100002', '15550100002', unixepoch() * 1000 - 60000);
INSERT INTO fact (name, value, changed_at) VALUES ('answer-from', '0', unixepoch() * 1000);
