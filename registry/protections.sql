-- name: protections
SELECT team, name, alias, who, set_us, set_by, reason FROM store.protections ORDER BY team, name, alias;

-- name: put
INSERT OR REPLACE INTO store.protections VALUES ($team, $name, $alias, $who, $now, $actor, $reason);

-- name: drop
DELETE FROM store.protections WHERE team = $team AND name = $name AND alias = $alias RETURNING who;
