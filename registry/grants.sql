-- name: closed
SELECT team, name FROM store.closed ORDER BY team, name;

-- name: grants
SELECT team, name, grantee FROM store.grants ORDER BY team, name, grantee;

-- name: close
INSERT INTO store.closed VALUES ($team, $name, $now, $actor) ON CONFLICT DO NOTHING RETURNING name;

-- name: open
DELETE FROM store.closed WHERE team = $team AND name = $name RETURNING name;

-- name: grant
INSERT INTO store.grants VALUES ($team, $name, $grantee, $now, $actor) ON CONFLICT DO NOTHING RETURNING name;

-- name: revoke
DELETE FROM store.grants WHERE team = $team AND name = $name AND grantee = $grantee RETURNING name;

-- name: hidden
-- Functions that a team may not see, as team/name.
SELECT team || '/' || name AS function FROM store.closed
WHERE team <> $viewer
  AND (team, name) NOT IN (SELECT (team, name) FROM store.grants WHERE grantee = $viewer)
ORDER BY function;
