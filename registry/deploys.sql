-- name: add
INSERT INTO store.deploys BY NAME
SELECT $deploy AS deploy, $team AS team, $name AS name, $version AS version, $alias AS alias, $revision AS revision,
       $created AS created, $outcome AS outcome, $code AS code, $failure AS failure, $began AS began_us,
       $now AS ended_us, $deployed_by AS deployed_by, $message AS message, $phases AS phases;

-- name: recover_interrupted
INSERT INTO store.deploys BY NAME
SELECT uuid()::VARCHAR AS deploy, team, name, version, 'INTERRUPTED' AS outcome,
       'the controller ended during the deploy' AS failure, published_us AS began_us, $now AS ended_us,
       published_by AS deployed_by, provenance ->> 'message' AS message
FROM store.versions WHERE state = 'PENDING';

-- name: recover_succeeded
INSERT INTO store.deploys BY NAME
SELECT uuid()::VARCHAR AS deploy, m.team, m.name, m.version, m.alias, m.revision, 'SUCCEEDED' AS outcome,
       m.moved_us - coalesce(1000 * list_sum(map_values(m.phases::MAP(VARCHAR, DOUBLE))), 0)::BIGINT AS began_us,
       m.moved_us AS ended_us, m.moved_by AS deployed_by, m.reason AS message, m.phases
FROM store.alias_moves m
WHERE m.phases IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM store.deploys d
    WHERE d.team = m.team AND d.name = m.name AND d.alias = m.alias AND d.revision = m.revision
);

-- name: move_since
SELECT revision, version, moved_us, moved_by, phases IS NOT NULL AS deployed FROM store.alias_moves
WHERE team = $team AND name = $name AND alias = $alias AND revision > $revision AND moved_by <> $actor
ORDER BY revision DESC LIMIT 1;

-- name: alias_move
SELECT version, revision, moved_us, moved_by, phases IS NOT NULL AS deployed FROM store.alias_moves
WHERE team = $team AND name = $name AND alias = $alias ORDER BY revision DESC LIMIT 1;

-- name: version
SELECT * FROM store.locked_versions WHERE team = $team AND name = $name AND version = $version;

-- name: callers
SELECT team, principal, method, count(*) AS calls, max(accepted_us) AS last_us
FROM store.calls_since($since)
WHERE function = $function AND alias = $alias AND accepted_us >= $since AND state <> 'REJECTED'
  AND shadow_of IS NULL
GROUP BY ALL ORDER BY calls DESC, team, principal, method;

-- name: times
SELECT quantile_cont((ended_us - began_us) / 1e6, 0.5) AS median_s, count(*) AS deploys
FROM (
    SELECT began_us, ended_us FROM store.deploys
    WHERE outcome = 'SUCCEEDED' AND created IS NOT DISTINCT FROM $created
      AND ($function IS NULL OR team || '/' || name = $function)
    ORDER BY ended_us DESC LIMIT 20
);

-- name: same_content
SELECT * FROM store.locked_versions
WHERE team = $team AND name = $name AND content_digest = $content_digest AND environment_digest = $environment_digest
ORDER BY version DESC LIMIT 1;
