-- Whether a lease began. Of what ended before this was noted nobody knows: it counts as open.
ALTER TABLE activations ADD COLUMN was_open INTEGER NOT NULL DEFAULT 0;
UPDATE activations SET was_open = json_extract(state, '$.type') NOT IN ('queued', 'collecting');
