-- A client certificate that stands for a token. Who holds its key needs no secret.
ALTER TABLE tokens ADD COLUMN certificate TEXT;
ALTER TABLE tokens ADD COLUMN certificate_hash BLOB;
CREATE INDEX tokens_by_certificate ON tokens (certificate_hash);
