-- name: reserved
SELECT team, function, key, call::VARCHAR AS call, gateway, reserved_us,
       call IN (SELECT call FROM store.spawned) AS is_kept
FROM store.idempotency SEMI JOIN (
    SELECT unnest($team::VARCHAR[]) AS team, unnest($function::VARCHAR[]) AS function, unnest($key::VARCHAR[]) AS key
) USING (team, function, key);

-- name: failed
SELECT call::VARCHAR AS call FROM store.all_spawned
WHERE call IN (SELECT unnest($calls::UUID[])) AND state NOT IN ('WAITING', 'SUCCEEDED');

-- name: reserve
INSERT OR REPLACE INTO store.idempotency
SELECT unnest($team::VARCHAR[]), unnest($function::VARCHAR[]), unnest($key::VARCHAR[]), unnest($call::UUID[]),
       unnest($gateway::VARCHAR[]), $now;

-- name: release
DELETE FROM store.idempotency WHERE call = $call::UUID AND call NOT IN (SELECT call FROM store.spawned);

-- name: spawned_call
-- Where the code of a team asks, $code is that team: it sees what it made, and what its team sees. Those that
-- made it are looked for since $parents_begun. What it was asked, and came to, is a team's own where it called from
-- outside, where its code did, and where the function is its.
SELECT call::VARCHAR AS call, function, version, method, target, state, attempts, code, accepted_us, ended_us,
       principal AS caller, team, true AS spawned,
       $team IS NULL OR owner = $team OR root = call
       OR parent IN (SELECT p.call FROM store.calls_since($begun) p WHERE p.owner = $team) AS is_own
FROM store.seen_spawned
WHERE call = $call::UUID AND ($team IS NULL OR team = $team OR owner = $team)
      AND ($code IS NULL OR team = $code OR owner = $code
           OR parent IN (SELECT p.call FROM store.calls_since($parents_begun) p WHERE p.owner = $code));

-- name: call
SELECT call::VARCHAR AS call, function, version, method, target, state, NULL AS attempts, code, accepted_us, ended_us,
       principal AS caller, team, false AS spawned
FROM store.calls_since($begun)
WHERE call = $call::UUID AND ($team IS NULL OR team = $team OR owner = $team)
      AND ($code IS NULL OR team = $code OR owner = $code
           OR parent IN (SELECT p.call FROM store.calls_since($parents_begun) p WHERE p.owner = $code));

-- name: outcome
SELECT result_type, result, problem FROM store.all_spawned WHERE call = $call::UUID AND state <> 'WAITING';

-- name: kept
SELECT content_type, body FROM store.spawned WHERE call = $call::UUID;

-- name: gateways
SELECT DISTINCT gateway FROM store.all_spawned WHERE state = 'WAITING';

-- name: waiting
SELECT call::VARCHAR AS call, root::VARCHAR AS root, parent::VARCHAR AS parent, target, function, version, principal,
       team, gateway, accepted_us, content_type, accept, body, timeout_s, retries, retry_delay_s, idempotency_key,
       method, priority, webhook, context,
       idempotency_key IS NOT NULL AND EXISTS (
           SELECT 1 FROM store.recent_calls c WHERE c.call = all_spawned.call OR c.parent = all_spawned.call
       ) AS is_begun_once
FROM store.all_spawned
WHERE state = 'WAITING' AND gateway = $gateway AND accepted_us < $before
ORDER BY accepted_us LIMIT $limit;

-- name: assign
UPDATE store.spawned SET gateway = $gateway WHERE call = $call::UUID;

-- name: interrupt
INSERT INTO store.settled VALUES ($call::UUID, 'INTERRUPTED', $now, 1, 'interrupted', NULL, NULL, $problem);

-- name: original
SELECT target, function, version, method, content_type, accept, body, timeout_s, retries, retry_delay_s, priority,
       CASE WHEN team = $team THEN webhook END AS webhook
FROM store.spawned WHERE call = $call::UUID;

-- name: add
INSERT INTO store.spawned BY NAME
SELECT $call::UUID AS call, $call::UUID AS root, $parent::UUID AS parent, $target AS target, $function AS function,
       $version AS version, $method AS method, $principal AS principal, $team AS team, $gateway AS gateway,
       $now AS accepted_us, $content_type AS content_type, $accept AS accept, $body AS body, $timeout_s AS timeout_s,
       $retries AS retries, $retry_delay_s AS retry_delay_s, $priority AS priority, $webhook AS webhook;

-- name: expire
-- What a version says of how long its results are kept goes before what the home says.
CREATE OR REPLACE TEMP TABLE expired AS
SELECT call FROM store.settled
LEFT JOIN store.spawned USING (call)
LEFT JOIN store.versions v ON spawned.function = v.team || '/' || v.name AND spawned.version = v.version
WHERE settled.ended_us < $at - coalesce(TRY_CAST(v.spec ->> 'result_ttl_s' AS DOUBLE), $keep_s) * 1000000;

-- name: purge_spawned
DELETE FROM store.spawned WHERE call IN (SELECT call FROM expired);

-- name: purge_settled
DELETE FROM store.settled WHERE call IN (SELECT call FROM expired);

-- name: purge_told
DELETE FROM store.told WHERE ended_us < $at - $keep_s * 1000000 AND call NOT IN (SELECT call FROM store.spawned);

-- name: untold_gateways
SELECT DISTINCT gateway FROM store.untold;

-- name: untold
SELECT call::VARCHAR AS call, webhook, target, function, version, principal, team, accepted_us, state, ended_us,
       attempts, code, result_type AS content_type, CASE WHEN length(result) <= 4096 THEN result END AS body, problem
FROM store.untold
WHERE gateway = $gateway AND ended_us < $before
ORDER BY ended_us LIMIT $limit;

-- name: purge_keys
-- A key holds for as long as what its call came to is kept.
DELETE FROM store.idempotency
WHERE reserved_us < $at - $keep_s * 1000000 AND call NOT IN (SELECT call FROM store.spawned);
