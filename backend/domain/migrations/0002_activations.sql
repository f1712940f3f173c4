-- What was learnt of the device behind each configured HSM.
CREATE TABLE devices (
    hsm       TEXT PRIMARY KEY,
    device    TEXT NOT NULL,
    behaviour TEXT NOT NULL
);

CREATE TABLE custodians (
    hsm           TEXT NOT NULL,
    fingerprint   TEXT NOT NULL REFERENCES operators (fingerprint),
    registered_at TEXT NOT NULL,
    registered_by TEXT NOT NULL,
    PRIMARY KEY (hsm, fingerprint)
);

CREATE TABLE activations (
    id            TEXT PRIMARY KEY,
    sequence      INTEGER NOT NULL UNIQUE,
    hsm           TEXT NOT NULL,
    requester     TEXT NOT NULL REFERENCES operators (id),
    terms         TEXT NOT NULL,
    scope         BLOB NOT NULL,
    state         TEXT NOT NULL,
    ended         INTEGER NOT NULL,
    authenticated INTEGER NOT NULL,
    notice        TEXT,
    revision      INTEGER NOT NULL
);
CREATE INDEX activations_active ON activations (ended, hsm);

CREATE TABLE answers (
    activation  TEXT NOT NULL REFERENCES activations (id),
    fingerprint TEXT NOT NULL REFERENCES operators (fingerprint),
    answer      TEXT NOT NULL,
    statement   TEXT,
    PRIMARY KEY (activation, fingerprint)
);

-- A row exists before the card is asked. Without a signature it is either under way or its outcome is unknown.
CREATE TABLE signatures (
    id              TEXT PRIMARY KEY,
    activation      TEXT NOT NULL REFERENCES activations (id),
    idempotency_key TEXT NOT NULL,
    fingerprint     TEXT NOT NULL,
    mechanism       TEXT NOT NULL,
    digest          BLOB NOT NULL,
    salt_length     INTEGER,
    signature       BLOB,
    made_at         TEXT,
    UNIQUE (activation, idempotency_key)
);
