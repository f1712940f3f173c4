-- The place in the HSM's queue. A request that gives way to others gets a new place at the end.
ALTER TABLE activations ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
UPDATE activations SET place = sequence;
CREATE INDEX activations_place ON activations (place);
-- The token that made the request; NULL: the person in the portal, or not known.
ALTER TABLE activations ADD COLUMN token TEXT;
