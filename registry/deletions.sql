-- name: delete_versions
UPDATE store.versions SET state = 'DELETED'
WHERE team = $team AND name = $name AND state = 'ACTIVE' AND ($version IS NULL OR version = $version);

-- name: add_deletion
INSERT INTO store.deletions VALUES ($team, $name, $version, $now, $actor, $reason);

-- name: end_canary_steps
INSERT INTO store.canary_steps BY NAME
SELECT canary, step, list_extract(CAST(plan -> 'steps' AS DOUBLE[]), step + 1) AS share, revision,
       step_us AS began_us, $now AS ended_us, 'SUPERSEDED' AS outcome, $why AS reason
FROM store.canaries WHERE team = $team AND name = $name AND state = 'RUNNING';

-- name: end_canaries
UPDATE store.canaries SET state = 'SUPERSEDED', ended_us = $now, reason = $why
WHERE team = $team AND name = $name AND state = 'RUNNING';

-- name: remove_schedules
DELETE FROM store.schedules WHERE team = $team AND name = $name;

-- name: remove_deprecation
DELETE FROM store.deprecations WHERE team = $team AND name = $name;

-- name: gone
SELECT team, name, NULL AS version, ended_us AS deleted_us, ended_by AS deleted_by, reason FROM store.gone
UNION ALL BY NAME
SELECT team, name, version, d.deleted_us, d.deleted_by, d.reason
FROM store.deletions d JOIN store.versions v USING (team, name, version) ANTI JOIN store.gone g USING (team, name)
WHERE v.state = 'DELETED'
ORDER BY deleted_us;

-- name: has_bundle
SELECT count(*) AS versions FROM store.versions WHERE bundle = $bundle AND state IN ('PENDING', 'ACTIVE');
