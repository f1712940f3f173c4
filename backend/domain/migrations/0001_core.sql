-- The log only grows: whoever can write to this database through SQL still cannot change an entry by mistake.
CREATE TABLE audit (
    idx   INTEGER PRIMARY KEY,
    entry BLOB NOT NULL
);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;

-- One-time codes are kept as SHA-256 only.
CREATE TABLE bootstrap_codes (
    hash       BLOB PRIMARY KEY,
    expires_at TEXT NOT NULL
);

CREATE TABLE invitations (
    id         TEXT PRIMARY KEY,
    code_hash  BLOB NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    mail       TEXT,
    roles      TEXT NOT NULL,
    status     TEXT NOT NULL,
    nonce      TEXT NOT NULL,
    expires_at TEXT NOT NULL
);

CREATE TABLE operators (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    mail        TEXT,
    roles       TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    device      TEXT NOT NULL UNIQUE,
    pka         BLOB NOT NULL,
    status      TEXT NOT NULL,
    enrolled_at TEXT NOT NULL
);

CREATE TABLE login_nonces (
    nonce      TEXT PRIMARY KEY,
    expires_at TEXT NOT NULL
);

CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    hash         BLOB NOT NULL UNIQUE,
    owner        TEXT NOT NULL REFERENCES operators (id),
    label        TEXT NOT NULL,
    keys         TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    last_used_at TEXT,
    revoked_at   TEXT
);
