-- What users' SQL sees: each is made a temporary view of a query's own connection, for one team, or for all ({team} is
-- then NULL). A team sees its own calls and the calls of its own functions. Times are UTC.

-- name: calls
SELECT call, root, parent, target, alias, alias_revision, function, version, method, code_digest, syntax_digest,
       environment_digest, shape, cluster, node, replica, executor, hardware, gateway,
       principal AS caller, team, owner, idempotency_key, context,
       coalesce(told ->> '$.prefect.flow', told ->> '$.airflow.dag') AS flow,
       coalesce(told ->> '$.prefect.flow_run', told ->> '$.airflow.run') AS flow_run,
       coalesce(told ->> '$.prefect.task', told ->> '$.airflow.task') AS task,
       state, code, retryable, coalesce(cold, '') <> '' AS cold, nullif(cold, '') AS cold_reason,
       make_timestamp(accepted_us) AS accepted_at, make_timestamp(started_us) AS started_at,
       make_timestamp(ended_us) AS ended_at,
       (ended_us - accepted_us) / 1000 AS duration_ms, queue_us / 1000 AS queue_ms, run_us / 1000 AS run_ms,
       cpu_us / 1e6 AS cpu_seconds, gpu_us / 1e6 AS gpu_seconds, bytes_in, bytes_out, items, batch_size
FROM (SELECT *, TRY_CAST(context AS JSON) AS told FROM store.all_calls)
WHERE {team} IS NULL OR team = {team} OR owner = {team};

-- name: spawned
SELECT call, root, parent, target, function, version, method, principal AS caller, team, owner, state, code, attempts,
       retries, idempotency_key, priority, context,
       make_timestamp(accepted_us) AS accepted_at, make_timestamp(ended_us) AS ended_at, webhook,
       (SELECT any_value(t.state) FROM store.told t WHERE t.call = all_spawned.call) AS webhook_state
FROM store.all_spawned
WHERE {team} IS NULL OR team = {team} OR owner = {team};

-- name: logs
SELECT call, function, version, make_timestamp(at_us) AS at, stream, level, text
FROM store.logs
WHERE {team} IS NULL OR starts_with(function, {team} || '/');

-- name: functions
SELECT f.team, f.name, f.team || '/' || f.name AS function, f.scaling,
       make_timestamp(f.created_us) AS created_at, f.created_by
FROM store.functions f;

-- name: versions
SELECT v.team, v.name, v.team || '/' || v.name AS function, v.version, v.state, v.failure,
       v.content_digest, v.bundle AS code_digest, v.syntax_digest, v.environment_digest, v.spec, v.interface,
       v.provenance ->> 'git_commit' AS git_commit, (v.provenance ->> 'git_dirty')::BOOLEAN AS git_dirty,
       v.provenance ->> 'git_remote' AS git_remote, v.provenance ->> 'message' AS message,
       make_timestamp(v.published_us) AS published_at, v.published_by AS author
FROM store.versions v;

-- name: aliases
SELECT team, name, team || '/' || name AS function, alias, version, revision, make_timestamp(moved_us) AS moved_at,
       moved_by, reason
FROM store.current_aliases;

-- name: alias_moves
SELECT team, name, team || '/' || name AS function, alias, revision, version, make_timestamp(moved_us) AS moved_at,
       moved_by, reason, phases
FROM store.alias_moves;

-- name: audit
SELECT make_timestamp(at_us) AS at, actor, action, subject, detail
FROM store.audit
WHERE {team} IS NULL;
