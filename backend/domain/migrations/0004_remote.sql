-- Devices that may be attached from afar, beside those that the configuration names.
CREATE TABLE remote_hsms (
    hsm         TEXT PRIMARY KEY,
    device      TEXT NOT NULL UNIQUE,
    accepted_at TEXT NOT NULL
);
