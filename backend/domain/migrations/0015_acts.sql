-- Acts: changes that people's cards sign.
CREATE TABLE acts (
    id          TEXT PRIMARY KEY,
    proposer    TEXT NOT NULL REFERENCES operators (id),
    -- What was proposed, and the client certificate of a proposed token.
    proposal    TEXT NOT NULL,
    certificate TEXT,
    -- What is signed.
    terms       TEXT NOT NULL,
    state       TEXT NOT NULL,
    notice      TEXT,
    -- When it ended; NULL while it is pending.
    ended_at    TEXT
);
CREATE INDEX acts_by_end ON acts (ended_at);

CREATE TABLE act_signatures (
    -- SHA-256 over the payload of the signed statement, which is accepted once.
    statement TEXT PRIMARY KEY,
    act       TEXT NOT NULL REFERENCES acts (id) ON DELETE CASCADE,
    operator  TEXT NOT NULL REFERENCES operators (id),
    key       TEXT NOT NULL,
    at        TEXT NOT NULL,
    -- 0 if the act could not be carried out after this signature.
    counts    INTEGER NOT NULL
);
CREATE INDEX act_signatures_by_act ON act_signatures (act);
