-- name: add
INSERT INTO store.canaries BY NAME
SELECT $canary AS canary, $team AS team, $name AS name, $alias AS alias, $plan AS plan, $base AS base,
       $base_revision AS base_revision, 0 AS step, $revision AS revision, $now AS step_us, 'RUNNING' AS state, $now AS began_us, $actor AS began_by;

-- name: running
SELECT * FROM store.canaries WHERE state = 'RUNNING' ORDER BY began_us;

-- name: latest
SELECT * FROM store.canaries WHERE team = $team AND name = $name AND alias = $alias ORDER BY began_us DESC LIMIT 1;

-- name: add_step
INSERT INTO store.canary_steps BY NAME
SELECT $canary AS canary, $step AS step, $share AS share, $revision AS revision, $began AS began_us, $now AS ended_us,
       $outcome AS outcome, $reason AS reason, $calls AS calls, $errors AS errors, $p99_ms AS p99_ms,
       $base_calls AS base_calls, $base_errors AS base_errors, $base_p99_ms AS base_p99_ms;

-- name: advance
UPDATE store.canaries SET step = $step, revision = $revision, step_us = $now WHERE canary = $canary;

-- name: close
UPDATE store.canaries SET state = $state, ended_us = $now, reason = $reason WHERE canary = $canary;

-- name: steps
SELECT * FROM store.canary_steps WHERE canary = $canary ORDER BY step;

-- name: figures
-- Of one version through one alias. A call that its caller gave up, or that another answered, says nothing of the
-- version; a cold one is slow for another reason than the version's code.
SELECT count(*) AS calls, count(*) FILTER (state <> 'SUCCEEDED') AS errors,
       quantile_cont((ended_us - accepted_us) / 1000, 0.99)
           FILTER (state = 'SUCCEEDED' AND coalesce(cold, '') = '') AS p99_ms
FROM store.calls_since($since)
WHERE function = $function AND alias = $alias AND list_contains($versions::INTEGER[], version)
  AND ($revision IS NULL OR alias_revision = $revision) AND accepted_us >= $since AND shadow_of IS NULL
  AND state NOT IN ('CANCELLED', 'CACHED', 'RUNNING');
