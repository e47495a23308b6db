-- A run of samples is taken apart once, and each sample's series is looked up: asked by scope or metric, SQLite would
-- go through every series for every run.
DROP VIEW recent_samples;
CREATE VIEW recent_samples AS
SELECT run.timestamp, series.scope, series.entity, series.metric, sample.value
FROM (
  SELECT
    strftime('%Y-%m-%dT%H:%M:%SZ', head.at_ms / 1000 - (run.value ->> 1), 'unixepoch') AS timestamp,
    run.value ->> 0 AS first_series,
    run.value AS samples
  FROM head
  CROSS JOIN json_each(head.samples) AS run
  LIMIT -1
) AS run
CROSS JOIN json_each(run.samples) AS sample ON sample.key >= 2
CROSS JOIN series ON series.id = run.first_series + sample.key - 2;

DROP VIEW hourly_means;
CREATE VIEW hourly_means AS
SELECT
  strftime('%Y-%m-%dT%H:%M:%SZ', (chunk.k >> 32) * 3600, 'unixepoch') AS timestamp,
  series.scope,
  series.entity,
  series.metric,
  chunk.sum / chunk.count AS value
FROM chunk
CROSS JOIN series ON series.id = (chunk.k & 0xffffffff)
-- Five minutes: a clock that runs ahead puts an hour's first samples into the log before the hour begins.
WHERE chunk.k < (SELECT coalesce((min(at_ms) + 300000) / 3600000, 1 << 30) FROM head) << 32;
