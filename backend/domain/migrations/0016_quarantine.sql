-- Devices that returned invalid signatures. They are not used until an admin ends their quarantine.
CREATE TABLE quarantines (
    device TEXT PRIMARY KEY,
    why    TEXT NOT NULL,
    since  TEXT NOT NULL
);
