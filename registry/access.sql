-- name: tokens
SELECT * FROM store.tokens WHERE revoked_us IS NULL ORDER BY created_us, id;

-- name: add_token
INSERT INTO store.tokens BY NAME
SELECT $id AS id, $digest AS digest, $principal AS principal, $team AS team, $role AS role, $now AS created_us,
       $actor AS created_by, $expires AS expires_us, $scope AS scope, $name AS name;

-- name: token_called
-- The newest in force of this id or name.
SELECT * FROM store.tokens
WHERE (id = $called OR name = $called) AND revoked_us IS NULL AND coalesce(expires_us > $now, true)
ORDER BY created_us DESC, id DESC LIMIT 1;

-- name: end_token
UPDATE store.tokens SET expires_us = least(coalesce(expires_us, $ends), $ends) WHERE id = $id;

-- name: revoke_token
UPDATE store.tokens SET revoked_us = $now WHERE (id = $called OR name = $called) AND revoked_us IS NULL RETURNING id;

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
