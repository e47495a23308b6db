-- What lists filter ended tasks by is in their index: a row is read once it matches.
DROP INDEX tasks_ended;
CREATE INDEX tasks_ended ON tasks (ended_at_ms, status, type, model_family, worker_id)
  WHERE ended_at_ms IS NOT NULL;
