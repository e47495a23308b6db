-- What is kept under its kind and its id until it is over: silences of alerts, what anomaly detectors learnt.
CREATE TABLE documents (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  -- When it is over.
  until_ms INTEGER NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX documents_over ON documents (until_ms);
