-- What is kept of a signing key beside its HSM.
CREATE TABLE keys (
    fingerprint TEXT PRIMARY KEY,
    settings    TEXT NOT NULL,
    certificate BLOB
);
