-- Tasks that ended a while ago, 256 a row; k counts up in the order in which they were packed. Of two records of
-- one task the one in "tasks" is the newer, then the one in the later pack.
CREATE TABLE task_pack (
  k INTEGER PRIMARY KEY,
  -- When the first and the last of them ended.
  from_ms REAL NOT NULL,
  to_ms REAL NOT NULL,
  -- When the first of them began, as far as that is known.
  began_ms REAL NOT NULL,
  -- Brotli: what they are listed by.
  columns BLOB NOT NULL,
  -- Brotli: each record as a line of JSON.
  records BLOB NOT NULL
) STRICT;
CREATE INDEX task_pack_ends ON task_pack (to_ms, began_ms);

-- The hashes of the newest packs' ids, in the order of their records.
CREATE TABLE pack_hashes (
  k INTEGER PRIMARY KEY,
  hashes BLOB NOT NULL
) STRICT;

-- The same of each 512 packs before them, by hash: k = the hash's first nine bits · 2^32 + segment of packs.
CREATE TABLE task_index (
  k INTEGER PRIMARY KEY,
  -- Of each task the rest of its hash, then nine bits for its pack within the segment.
  entries BLOB NOT NULL
) STRICT;

-- Durations of a quarter of an hour, once its minutes are merged; k = quarters since 1970 · 2^24 + series.
CREATE TABLE histogram_quarter (
  k INTEGER PRIMARY KEY,
  sum REAL NOT NULL,
  -- As a minute's.
  buckets BLOB NOT NULL
) STRICT;
