-- What happened beside the samples: restarts of our own, and what others post, such as deploys.
CREATE TABLE marks (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  -- Posted again, it is the same.
  UNIQUE (at_ms, kind, text)
) STRICT;

CREATE TABLE histogram_series (
  id INTEGER PRIMARY KEY,
  scope TEXT NOT NULL,
  entity TEXT NOT NULL,
  metric TEXT NOT NULL,
  UNIQUE (scope, entity, metric)
) STRICT;

-- Durations of one minute; k = minutes since 1970 · 2^24 + series, so that retention is one range.
CREATE TABLE histogram (
  k INTEGER PRIMARY KEY,
  sum REAL NOT NULL,
  -- Varints, for each bucket that is not empty: its distance from the one before, and its count.
  buckets BLOB NOT NULL
) STRICT;
