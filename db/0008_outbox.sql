-- What is to be told to receivers, in the order in which it is to be told.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY,
  receiver TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  document TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  tried_ms INTEGER,
  next_ms INTEGER,
  error TEXT,
  -- NULL while it waits: delivered, refused or given_up.
  outcome TEXT,
  ended_ms INTEGER
) STRICT;
-- Both ways: what waits by its id, what ended by when.
CREATE INDEX outbox_ended ON outbox (ended_ms);
