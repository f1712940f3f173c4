-- After how many seconds without its requester it is withdrawn before it is open; NULL: never.
ALTER TABLE activations ADD COLUMN abandoned_after INTEGER;
