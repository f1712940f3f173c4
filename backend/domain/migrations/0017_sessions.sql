-- Sessions of the portal. Times are in seconds since 1970. The id is shown to the person and is no secret.
DROP TABLE IF EXISTS tower_sessions;
CREATE TABLE sessions (
    id       TEXT PRIMARY KEY,
    person   TEXT NOT NULL REFERENCES operators (id),
    began_at INTEGER NOT NULL,
    used_at  INTEGER NOT NULL,
    address  TEXT NOT NULL,
    browser  TEXT NOT NULL
);
CREATE INDEX sessions_person ON sessions (person, used_at);
-- The secrets of a session, of which only the SHA-256 is stored. A secret is replaced when a newer one is used for the first time.
-- Replaced ones are kept as long as the session, so that their reuse is noticed.
CREATE TABLE session_secrets (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    session     TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    hash        BLOB NOT NULL UNIQUE,
    made_at     INTEGER NOT NULL,
    replaced_at INTEGER
);
CREATE INDEX session_secrets_session ON session_secrets (session, number);
