-- name: schedules
SELECT * EXCLUDE (last_call), last_call::VARCHAR AS last_call FROM store.schedules;

-- name: of_function
SELECT * EXCLUDE (last_call), last_call::VARCHAR AS last_call FROM store.schedules WHERE team = $team AND name = $name;

-- name: listed
-- The state of the last call is known as long as what it came to is kept.
SELECT s.* EXCLUDE (last_call), s.last_call::VARCHAR AS last_call, c.state AS last_state
FROM store.schedules s LEFT JOIN store.seen_spawned c ON c.call = s.last_call
ORDER BY s.team, s.name, s.schedule;

-- name: has_function
SELECT 1 FROM store.current_aliases WHERE team = $team AND name = $name LIMIT 1;

-- name: counts
SELECT count(*) AS whole, count(*) FILTER (team = $team AND name = $name) AS of_function
FROM store.schedules WHERE id <> $id;

-- name: put
INSERT INTO store.schedules BY NAME
SELECT $id AS id, $team AS team, $name AS name, $schedule AS schedule, $alias AS alias, $method AS method,
       $plan AS plan, $anchor_us AS anchor_us, $next_us AS next_us, $principal AS principal, $now AS set_us
ON CONFLICT DO UPDATE SET alias = $alias, method = $method, plan = $plan, anchor_us = $anchor_us, next_us = $next_us,
    principal = $principal, set_us = $now;

-- name: remove
DELETE FROM store.schedules WHERE id = $id RETURNING team, name, schedule;

-- name: suspend
UPDATE store.schedules SET suspended_us = $now, suspended_by = $actor, suspended_for = $reason
WHERE id = $id AND suspended_us IS NULL RETURNING team, name, schedule;

-- name: resume
UPDATE store.schedules
SET suspended_us = NULL, suspended_by = NULL, suspended_for = NULL, principal = $actor, next_us = $next_us
WHERE id = $id RETURNING team, name, schedule;

-- name: move
UPDATE store.schedules SET next_us = moved.next_us
FROM (SELECT unnest($ids::VARCHAR[]) AS id, unnest($before::BIGINT[]) AS before_us, unnest($nexts::BIGINT[]) AS next_us) moved
WHERE schedules.id = moved.id AND schedules.next_us = moved.before_us;

-- name: waiting
-- Those that are as they were read. `is_busy`: the call of an earlier time has not ended.
SELECT s.id, s.next_us, s.set_us, s.last_call IN (SELECT call FROM store.spawned)
           AND s.last_call NOT IN (SELECT call FROM store.settled) AS is_busy
FROM store.schedules s
WHERE s.suspended_us IS NULL AND s.id IN (SELECT unnest($ids::VARCHAR[]));

-- name: handled
SELECT id, due_us FROM store.schedule_times SEMI JOIN (
    SELECT unnest($ids::VARCHAR[]) AS id, unnest($dues::BIGINT[]) AS due_us
) USING (id, due_us);

-- name: add_times
INSERT INTO store.schedule_times BY NAME
SELECT s.id, t.due_us, s.team, s.name, s.schedule, $now AS handled_us, t.outcome, t.reason, t.call
FROM (SELECT unnest($ids::VARCHAR[]) AS id, unnest($dues::BIGINT[]) AS due_us, unnest($outcomes::VARCHAR[]) AS outcome,
             unnest($reasons::VARCHAR[]) AS reason, unnest($calls::UUID[]) AS call) t
JOIN store.schedules s USING (id);

-- name: add_calls
-- No gateway has them yet. The key says of which time each is.
INSERT INTO store.spawned BY NAME
SELECT t.call, t.call AS root, s.team || '/' || s.name || coalesce('.' || s.method, '') || '@' || s.alias AS target,
       s.team || '/' || s.name AS function, t.version, s.method, s.principal, s.team, 'schedule' AS gateway,
       $now AS accepted_us, 'application/json' AS content_type, '' AS accept, t.body, t.timeout_s, t.retries,
       t.retry_delay_s, 0 AS priority, 'schedule/' || s.id || '/' || t.due AS idempotency_key,
       json_object('schedule', json_object('function', s.team || '/' || s.name, 'name', s.schedule, 'due', t.due))::VARCHAR
           AS context
FROM (SELECT unnest($ids::VARCHAR[]) AS id, unnest($calls::UUID[]) AS call, unnest($due_texts::VARCHAR[]) AS due,
             unnest($versions::INTEGER[]) AS version, unnest($bodies::VARCHAR[]) AS body,
             unnest($timeouts::DOUBLE[]) AS timeout_s, unnest($retries::INTEGER[]) AS retries,
             unnest($retry_delays::DOUBLE[]) AS retry_delay_s) t
JOIN store.schedules s USING (id);

-- name: advance
UPDATE store.schedules
SET next_us = t.next_us, last_due_us = coalesce(t.due_us, last_due_us), last_outcome = coalesce(t.outcome, last_outcome),
    last_reason = coalesce(t.reason, last_reason), last_call = coalesce(t.call, last_call)
FROM (SELECT unnest($ids::VARCHAR[]) AS id, unnest($nexts::BIGINT[]) AS next_us, unnest($dues::BIGINT[]) AS due_us,
             unnest($outcomes::VARCHAR[]) AS outcome, unnest($reasons::VARCHAR[]) AS reason,
             unnest($calls::UUID[]) AS call) t
WHERE schedules.id = t.id;

-- name: purge
DELETE FROM store.schedule_times WHERE handled_us < $before;
