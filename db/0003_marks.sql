-- What happened beside the samples: restarts of our own, and what others post, such as deploys.
CREATE TABLE marks (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  -- Posted again, it is the same.
  UNIQUE (at_ms, kind, text)
) STRICT;
