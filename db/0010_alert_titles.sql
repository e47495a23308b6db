-- Charts mark where alerts fired, by their titles alone.
ALTER TABLE alerts ADD COLUMN title TEXT NOT NULL DEFAULT '';
UPDATE alerts SET title = coalesce(document ->> '$.title', '');
DROP INDEX alerts_fired;
CREATE INDEX alerts_fired ON alerts (fired_ms, title);
