-- What viewers chose. A session is found by the hash of the secret that its browser holds.
CREATE TABLE sessions (
  hash TEXT PRIMARY KEY,
  created_ms INTEGER NOT NULL,
  -- When it was last used, to the day.
  seen_ms INTEGER NOT NULL,
  preferences TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_seen ON sessions (seen_ms);
