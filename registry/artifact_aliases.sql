-- name: current
SELECT * FROM store.artifact_moves
WHERE ($team IS NULL OR team = $team) AND ($name IS NULL OR name = $name) AND ($alias IS NULL OR alias = $alias)
QUALIFY row_number() OVER (PARTITION BY team, name, alias ORDER BY revision DESC) = 1
ORDER BY team, name, alias;

-- name: newest_version
-- What was recorded last of an artifact, by a call of the team or of a function of it.
SELECT arg_max(artifact_version, at_us) AS artifact_version FROM store.touches
WHERE uri = $uri AND (team = $team OR owner = $team);

-- name: move
INSERT INTO store.artifact_moves
SELECT $team, $name, $alias, coalesce(max(revision), 0) + 1, $uri, $version, $now, $actor, $reason
FROM store.artifact_moves WHERE team = $team AND name = $name AND alias = $alias;
