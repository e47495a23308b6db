-- The durable log: one row a tick. A row goes once every sample in it is sealed in a chunk.
CREATE TABLE head (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  -- JSON, a list of runs: [series, seconds before the tick, value, value of series + 1, …]
  samples TEXT NOT NULL
) STRICT;

CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  scope TEXT NOT NULL,
  entity TEXT NOT NULL,
  metric TEXT NOT NULL,
  -- The newest sealed sample, and the head row up to which its hour is sealed.
  sealed_second INTEGER,
  sealed_value REAL,
  sealed_row INTEGER,
  UNIQUE (scope, entity, metric)
) STRICT;

-- One series' samples of one hour; k = hours since 1970 · 2^32 + series, so that retention is one range.
CREATE TABLE chunk (
  k INTEGER PRIMARY KEY,
  min REAL NOT NULL,
  max REAL NOT NULL,
  sum REAL NOT NULL,
  count INTEGER NOT NULL,
  -- NULL where the disk's limit left only this summary of the hour.
  samples BLOB
) STRICT;

CREATE TABLE workers (
  id TEXT PRIMARY KEY,
  document TEXT NOT NULL
) STRICT;

CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  status TEXT NOT NULL,
  type TEXT,
  model_family TEXT,
  worker_id TEXT,
  attempt INTEGER NOT NULL,
  queued_at_ms REAL,
  ended_at_ms REAL,
  document TEXT NOT NULL
) STRICT;
CREATE INDEX tasks_unfinished ON tasks (id) WHERE ended_at_ms IS NULL;
CREATE INDEX tasks_ended ON tasks (ended_at_ms) WHERE ended_at_ms IS NOT NULL;

CREATE TABLE facts (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

-- For the three views below: the last hour or so second by second, from the log.
CREATE VIEW recent_samples AS
SELECT
  strftime('%Y-%m-%dT%H:%M:%SZ', head.at_ms / 1000 - (run.value ->> 1), 'unixepoch') AS timestamp,
  series.scope,
  series.entity,
  series.metric,
  sample.value
FROM head
JOIN json_each(head.samples) AS run
JOIN json_each(run.value) AS sample ON sample.key >= 2
JOIN series ON series.id = (run.value ->> 0) + sample.key - 2;

-- For the three views below: what is older than the log, each hour by its mean.
CREATE VIEW hourly_means AS
SELECT
  strftime('%Y-%m-%dT%H:%M:%SZ', (chunk.k >> 32) * 3600, 'unixepoch') AS timestamp,
  series.scope,
  series.entity,
  series.metric,
  chunk.sum / chunk.count AS value
FROM chunk
JOIN series ON series.id = (chunk.k & 0xffffffff)
-- Five minutes: a clock that runs ahead puts an hour's first samples into the log before the hour begins.
WHERE chunk.k < (SELECT coalesce((min(at_ms) + 300000) / 3600000, 1 << 30) FROM head) << 32;

CREATE VIEW all_samples AS
SELECT * FROM hourly_means UNION ALL SELECT * FROM recent_samples;

CREATE VIEW system_metrics AS
SELECT timestamp, metric AS metric_name, value AS metric_value FROM all_samples WHERE scope = 'system';

CREATE VIEW worker_metrics AS
SELECT timestamp, entity AS worker_id, metric AS metric_name, value AS metric_value
FROM all_samples WHERE scope = 'worker';

CREATE VIEW task_metrics AS
SELECT timestamp, entity AS task_id, metric AS metric_name, value AS metric_value
FROM all_samples WHERE scope = 'task';
