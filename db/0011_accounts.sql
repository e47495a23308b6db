-- Who may do what. Passwords, sessions and tokens are kept as hashes alone.
CREATE TABLE users (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  -- scrypt's parameters, salt and hash.
  password TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  -- A user's role, or ingest.
  role TEXT NOT NULL,
  -- The sources that it may report as, a JSON list; NULL for any.
  sources TEXT,
  created_ms INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  -- When it was last used, to the minute; NULL for never.
  used_ms INTEGER
) STRICT, WITHOUT ROWID;

-- A panel that whoever has the link may see. One that is deleted opens nothing any more.
CREATE TABLE embed_links (
  id TEXT PRIMARY KEY,
  panel TEXT NOT NULL,
  -- The parameters that it is bound to.
  query TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Addresses that everybody finds under a name.
CREATE TABLE shared_views (
  name TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  created_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys that sign.
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- A session is a viewer's, or a user's who logged in.
ALTER TABLE sessions ADD COLUMN user TEXT;
ALTER TABLE sessions ADD COLUMN ends_ms INTEGER;
-- The browser and the address that logged in.
ALTER TABLE sessions ADD COLUMN client TEXT;
CREATE INDEX sessions_user ON sessions (user) WHERE user IS NOT NULL;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  who TEXT NOT NULL,
  address TEXT NOT NULL,
  what TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_time ON audit (at_ms);

-- Counts up whenever somebody may do less than before, whichever process took it away.
CREATE TABLE access_version (version INTEGER NOT NULL) STRICT;
INSERT INTO access_version VALUES (0);
CREATE TRIGGER user_added AFTER INSERT ON users BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER user_changed AFTER UPDATE OF role ON users BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER user_removed AFTER DELETE ON users BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER session_ended AFTER DELETE ON sessions WHEN OLD.user IS NOT NULL
  BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER token_revoked AFTER DELETE ON tokens BEGIN UPDATE access_version SET version = version + 1; END;
CREATE TRIGGER link_revoked AFTER DELETE ON embed_links BEGIN UPDATE access_version SET version = version + 1; END;
