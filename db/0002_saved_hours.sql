-- Copies of the hours that are not sealed yet, so that a start reads only the log's last minutes.
-- They have all samples of the log's rows up to the fact "saved_row".
CREATE TABLE saved_hour (
  -- As a chunk's.
  k INTEGER PRIMARY KEY,
  -- The oldest head row with a sample of it, and the newest one that is in it whole.
  first_row INTEGER NOT NULL,
  row INTEGER NOT NULL,
  -- The series' newest sample.
  newest_second INTEGER NOT NULL,
  newest_value REAL NOT NULL,
  -- 1 where samples are doubles, 0 where they are whole numbers; how many; and what the next one is told from.
  exact INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  scaled INTEGER NOT NULL,
  -- What the whole numbers are told in, as the program knew it then; NULL for doubles.
  precision INTEGER,
  samples BLOB NOT NULL
) STRICT;

-- Finds how far back every second is kept.
CREATE INDEX chunk_summaries ON chunk (k) WHERE samples IS NULL;
