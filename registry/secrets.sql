-- name: all
SELECT team, name, sealed, keys, revision, set_us, set_by FROM store.secrets ORDER BY team, name;

-- name: set
INSERT INTO store.secrets VALUES ($team, $name, $sealed, $keys, 1, $now, $actor)
ON CONFLICT (team, name) DO UPDATE
SET sealed = excluded.sealed, keys = excluded.keys, revision = secrets.revision + 1, set_us = excluded.set_us,
    set_by = excluded.set_by;

-- name: delete
DELETE FROM store.secrets WHERE team = $team AND name = $name RETURNING name;
