-- What it takes to show the fleet as it was at any moment that is kept.

-- When a worker was forgotten; NULL while it is known.
ALTER TABLE workers ADD COLUMN gone_ms INTEGER;

-- From at_ms on a worker was in that state, until its next row; "gone" once it was forgotten.
CREATE TABLE worker_states (
  worker_id TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  state TEXT NOT NULL,
  -- When it was last heard of, as of then.
  last_report_ms INTEGER NOT NULL,
  PRIMARY KEY (worker_id, at_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX worker_states_by_time ON worker_states (at_ms);

-- An alert from when it began to fire until it ended.
CREATE TABLE alerts (
  id TEXT NOT NULL,
  fired_ms INTEGER NOT NULL,
  -- NULL while it fires.
  ended_ms INTEGER,
  document TEXT NOT NULL,
  PRIMARY KEY (id, fired_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_ended ON alerts (ended_ms);
CREATE INDEX alerts_fired ON alerts (fired_ms);
CREATE INDEX workers_gone ON workers (gone_ms) WHERE gone_ms IS NOT NULL;
