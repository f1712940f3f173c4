-- What ties the database to the files beside it: `instance.json` has the same id and epoch, and `identity` is the
-- fingerprint of `identity.key`. The epoch grows with every change of people, tokens and invitations.
CREATE TABLE instance (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    database TEXT NOT NULL,
    identity TEXT,
    epoch    INTEGER NOT NULL
);
