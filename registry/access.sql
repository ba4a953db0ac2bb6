-- name: tokens
SELECT id, digest, principal, team, role, created_us, created_by, expires_us
FROM store.tokens WHERE revoked_us IS NULL ORDER BY created_us;

-- name: add_token
INSERT INTO store.tokens VALUES ($id, $digest, $principal, $team, $role, $now, $actor, $expires, NULL);

-- name: revoke_token
UPDATE store.tokens SET revoked_us = $now WHERE id = $id AND revoked_us IS NULL RETURNING id;

-- name: add_join_token
INSERT INTO store.join_tokens VALUES ($id, $secret, $cluster, $expires);

-- name: join_secret
SELECT secret FROM store.join_tokens WHERE id = $id AND expires_us > $now;

-- name: use_join_token
DELETE FROM store.join_tokens WHERE id = $id AND expires_us > $now RETURNING cluster;

-- name: drop_expired_join_tokens
DELETE FROM store.join_tokens WHERE expires_us <= $now;

-- name: set_session
INSERT OR REPLACE INTO store.sessions VALUES ($cluster, $session_key, $now);

-- name: sessions
SELECT cluster, session_key FROM store.sessions;

-- name: remove_session
DELETE FROM store.sessions WHERE cluster = $cluster;

-- name: remove_join_tokens
DELETE FROM store.join_tokens WHERE cluster = $cluster;
