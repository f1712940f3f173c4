-- Challenges of log-ins are no longer stored.
DROP TABLE login_nonces;
