-- Several HSMs may be opened for one activation: each has a row, and they share the first one's id here.
ALTER TABLE activations ADD COLUMN pool TEXT NOT NULL DEFAULT '';
UPDATE activations SET pool = id;
CREATE INDEX activations_pool ON activations (pool);
