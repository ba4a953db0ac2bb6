-- What users' SQL sees: each is made a temporary view of a query's own connection, for one team, or for all ({team} is
-- then NULL). A team sees its own calls and the calls of its own functions, and nothing of the functions that are not
-- for it, which {hidden} lists. Of calls it sees those since {begun}, in microseconds; of lines and touches that are older
-- it may miss some. Times are UTC.

-- name: calls
SELECT call, root, parent, shadow_of, cached_from, target, alias, alias_revision, function, version, method, code_digest, syntax_digest,
       environment_digest, shape, cluster, node, replica, executor, hardware, gateway,
       principal AS caller, team, owner, idempotency_key, context,
       store.orchestrator(told) AS orchestrator, store.flow(told) AS flow, store.flow_run(told) AS flow_run,
       store.task(told) AS task, store.schedule(told) AS schedule,
       coalesce(told ->> '$.trace.id', replace(root::VARCHAR, '-', '')) AS trace,
       state, code, retryable, coalesce(cold, '') <> '' AS cold, nullif(cold, '') AS cold_reason,
       make_timestamp(accepted_us) AS accepted_at, make_timestamp(started_us) AS started_at,
       make_timestamp(ended_us) AS ended_at,
       (ended_us - accepted_us) / 1000 AS duration_ms, queue_us / 1000 AS queue_ms, run_us / 1000 AS run_ms,
       cpu_us / 1e6 AS cpu_seconds, gpu_us / 1e6 AS gpu_seconds, bytes_in, bytes_out, items, batch_size
FROM (SELECT *, TRY_CAST(context AS JSON) AS told FROM store.calls_since({begun}) WHERE accepted_us >= {begun})
WHERE ({team} IS NULL OR team = {team} OR owner = {team}) AND function NOT IN ({hidden});

-- name: spawned
SELECT call, root, parent, target, function, version, method, principal AS caller, team, owner, state, code, attempts,
       retries, idempotency_key, priority, context,
       make_timestamp(accepted_us) AS accepted_at, make_timestamp(ended_us) AS ended_at,
       CASE WHEN {team} IS NULL OR team = {team} THEN webhook END AS webhook,
       (SELECT any_value(t.state) FROM store.told t WHERE t.call = seen_spawned.call) AS webhook_state
FROM store.seen_spawned
WHERE ({team} IS NULL OR team = {team} OR owner = {team}) AND function NOT IN ({hidden});

-- name: logs
SELECT call, function, version, make_timestamp(at_us) AS logged_at, stream, level, text
FROM store.logs_since({begun})
WHERE {team} IS NULL OR starts_with(function, {team} || '/');

-- name: arguments
-- The caller's team sees those that it gave itself: those of calls inside were made by the code of others.
SELECT a.call, c.function, c.version, c.method, c.principal AS caller, c.team, c.owner,
       make_timestamp(c.accepted_us) AS accepted_at, TRY_CAST(a.arguments AS JSON) AS arguments, a.is_whole, a.is_cut
FROM store.arguments a JOIN store.calls_since(0) c ON c.call = a.call
WHERE ({team} IS NULL OR c.owner = {team} OR (c.team = {team} AND c.parent IS NULL)) AND c.function NOT IN ({hidden});

-- name: functions
SELECT f.team, f.name, f.team || '/' || f.name AS function, f.scaling,
       make_timestamp(f.created_us) AS created_at, f.created_by,
       make_timestamp(d.deprecated_us) AS deprecated_at, d.deprecated_by, make_timestamp(d.sunset_us) AS sunset_at,
       d.successor, make_timestamp(g.ended_us) AS deleted_at, g.ended_by AS deleted_by
FROM store.functions f LEFT JOIN store.gone g USING (team, name) LEFT JOIN store.deprecations d USING (team, name)
WHERE f.team || '/' || f.name NOT IN ({hidden});

-- name: versions
SELECT v.team, v.name, v.team || '/' || v.name AS function, v.version, v.state, v.failure,
       v.content_digest, v.bundle AS code_digest, v.syntax_digest, v.environment_digest, v.spec, v.interface,
       v.provenance ->> 'git_commit' AS git_commit, (v.provenance ->> 'git_dirty')::BOOLEAN AS git_dirty,
       v.provenance ->> 'git_remote' AS git_remote, v.provenance ->> 'message' AS message,
       make_timestamp(v.published_us) AS published_at, v.published_by AS author
FROM store.versions v
WHERE v.team || '/' || v.name NOT IN ({hidden});

-- name: aliases
SELECT team, name, team || '/' || name AS function, alias, version,
       coalesce(destination -> 'arms', json_array(json_object('version', version, 'weight', 100.0))) AS arms,
       destination ->> 'sticky' AS sticky, (destination ->> '$.shadow.version')::INTEGER AS shadow_version,
       revision, make_timestamp(moved_us) AS moved_at, moved_by, reason
FROM store.current_aliases
WHERE team || '/' || name NOT IN ({hidden});

-- name: alias_moves
SELECT team, name, team || '/' || name AS function, alias, revision, version,
       coalesce(destination -> 'arms', json_array(json_object('version', version, 'weight', 100.0))) AS arms,
       destination ->> 'sticky' AS sticky, (destination ->> '$.shadow.version')::INTEGER AS shadow_version,
       coalesce(undo, revision - 1) AS undo, make_timestamp(moved_us) AS moved_at, moved_by, reason, phases
FROM store.alias_moves
WHERE team || '/' || name NOT IN ({hidden});

-- name: deploys
SELECT deploy, team, name, team || '/' || name AS function, version, alias, revision, created, outcome, code, failure,
       make_timestamp(began_us) AS began_at, make_timestamp(ended_us) AS ended_at,
       (ended_us - began_us) / 1000 AS took_ms, deployed_by, message, phases
FROM store.deploys
WHERE team || '/' || name NOT IN ({hidden});

-- name: shadow_calls
SELECT c.call, s.call AS shadow_call, c.function, c.method, c.alias, c.version, s.version AS shadow_version, d.same,
       c.state, s.state AS shadow_state, c.code, s.code AS shadow_code, d.answer, d.shadow_answer,
       (c.ended_us - c.accepted_us) / 1000 AS duration_ms, (s.ended_us - s.accepted_us) / 1000 AS shadow_duration_ms,
       c.principal AS caller, c.team, c.owner, make_timestamp(c.accepted_us) AS accepted_at
FROM store.compared d JOIN store.calls_since(0) c ON c.call = d.shadow_of JOIN store.calls_since(0) s ON s.call = d.call
WHERE ({team} IS NULL OR c.team = {team} OR c.owner = {team}) AND c.function NOT IN ({hidden});

-- name: canaries
SELECT canary, team, name, team || '/' || name AS function, alias, (plan ->> 'version')::INTEGER AS version, plan, base,
       step, revision, state, reason, make_timestamp(began_us) AS began_at, began_by,
       make_timestamp(ended_us) AS ended_at
FROM store.canaries
WHERE team || '/' || name NOT IN ({hidden});

-- name: canary_steps
SELECT canary, c.team || '/' || c.name AS function, c.alias, (c.plan ->> 'version')::INTEGER AS version, s.step,
       s.share, s.revision, s.outcome, s.reason, s.calls, s.errors, s.p99_ms, s.base_calls, s.base_errors,
       s.base_p99_ms, make_timestamp(s.began_us) AS began_at, make_timestamp(s.ended_us) AS ended_at
FROM store.canary_steps s JOIN store.canaries c USING (canary)
WHERE c.team || '/' || c.name NOT IN ({hidden});

-- name: lineage
SELECT call, function, version, team, owner, mode, uri, artifact_version, make_timestamp(at_us) AS touched_at, bytes,
       "columns", how, is_certain, executor
FROM store.touches_since({begun})
WHERE ({team} IS NULL OR team = {team} OR owner = {team}) AND function NOT IN ({hidden});

-- name: artifacts
SELECT uri, artifact_version, max(bytes) AS bytes,
       arg_max(function, at_us) FILTER (mode = 'write') AS writer,
       arg_max(version, at_us) FILTER (mode = 'write') AS writer_version,
       make_timestamp(max(at_us) FILTER (mode = 'write')) AS written_at,
       count(*) FILTER (mode = 'write') AS writes, count(*) FILTER (mode = 'read') AS reads,
       make_timestamp(max(at_us) FILTER (mode = 'read')) AS read_at
FROM store.touches_since(0)
WHERE ({team} IS NULL OR team = {team} OR owner = {team}) AND function NOT IN ({hidden})
GROUP BY uri, artifact_version;
-- name: nodes
SELECT record ->> 'cluster' AS cluster, record ->> 'group' AS worker_group, record ->> 'name' AS node, state,
       record ->> 'want' AS want, record ->> 'reason' AS reason, record ->> 'provider' AS provider,
       record ->> '$.machine.type' AS machine_type, record ->> '$.machine.place' AS place,
       (record ->> '$.machine.spot')::BOOLEAN AS spot, record ->> 'instance' AS instance, record ->> 'attempt' AS attempt, record ->> 'ray' AS ray_node,
       make_timestamp(((record ->> 'made_at')::DOUBLE * 1e6)::BIGINT) AS made_at, up_hours,
       (record ->> 'idle_s')::DOUBLE / 3600 AS idle_hours, (record ->> 'usd_per_hour')::DOUBLE AS usd_per_hour,
       up_hours * (record ->> 'usd_per_hour')::DOUBLE AS usd
FROM (SELECT *, ((record ->> 'up_s')::DOUBLE + greatest(0.0,
             coalesce(epoch(now()) - (record ->> 'up_since')::DOUBLE, 0.0))) / 3600 AS up_hours FROM store.machines);

-- name: costs
-- What is settled is added to what is worked out of the rest, as spending.sql says: a table of the query's own
-- connection. What nobody holds is idle: a row without a call for each time that a machine was up.
WITH paid AS NOT MATERIALIZED (
    SELECT * EXCLUDE (from_us) FROM store.spent WHERE {settled}
    UNION ALL BY NAME SELECT * FROM swept
), seen AS NOT MATERIALIZED (
    SELECT * FROM paid WHERE {team} IS NULL OR ((team = {team} OR owner = {team}) AND function NOT IN ({hidden}))
), whole AS NOT MATERIALIZED (
    SELECT * FROM seen WHERE is_whole
    UNION ALL BY NAME SELECT * EXCLUDE (usd), sum(usd) AS usd FROM seen WHERE NOT is_whole GROUP BY ALL
)
SELECT call, parent, function, version, method, alias, caller, team, owner, state, code, orchestrator, flow, flow_run,
       task, schedule, cluster, worker_group, node, ray_cluster, ray_node, hardware, shape, accepted_at, started_at, usd
FROM whole
UNION ALL BY NAME
SELECT s.cluster, s.worker_group, s.node, make_timestamp(greatest(s.began_us, {since})) AS started_at,
       greatest(0.0, s.usd_per_hour / 3.6e9
           * (least(coalesce(s.ended_us, {until}), {until}) - greatest(s.began_us, {since})) - coalesce(total.usd, 0.0)
       ) AS usd
FROM store.stays s LEFT JOIN (
    SELECT machine, began_us, sum(usd) AS usd FROM paid GROUP BY ALL
) total USING (machine, began_us)
WHERE s.usd_per_hour IS NOT NULL AND s.began_us < {until} AND coalesce(s.ended_us, {until}) > {since};

-- name: schedules
SELECT s.team, s.name, s.team || '/' || s.name AS function, s.schedule, s.alias, s.method, s.plan ->> 'cron' AS cron,
       s.plan ->> 'timezone' AS timezone, (s.plan ->> 'every_s')::DOUBLE AS every_s, s.plan -> 'arguments' AS arguments,
       s.plan ->> 'overlap' AS overlap, (s.plan ->> 'start_within_s')::DOUBLE AS start_within_s, s.principal AS caller,
       make_timestamp(s.set_us) AS set_at, CASE WHEN s.suspended_us IS NULL THEN make_timestamp(s.next_us) END AS next_at,
       make_timestamp(s.suspended_us) AS suspended_at, s.suspended_by, s.suspended_for,
       make_timestamp(s.last_due_us) AS last_due_at, s.last_outcome, s.last_call
FROM store.schedules s
WHERE {team} IS NULL OR s.team = {team};

-- name: schedule_times
SELECT t.team, t.name, t.team || '/' || t.name AS function, t.schedule, make_timestamp(t.due_us) AS due_at,
       make_timestamp(t.handled_us) AS handled_at, t.outcome, t.reason, t.call
FROM store.schedule_times t
WHERE {team} IS NULL OR t.team = {team};

-- name: artifact_moves
SELECT team, name, alias, revision, uri, artifact_version, make_timestamp(moved_us) AS moved_at, moved_by, reason
FROM store.artifact_moves WHERE {team} IS NULL OR team = {team};

-- name: node_events
SELECT make_timestamp(e.at_us) AS happened_at, e.cluster, e.worker_group, e.node, e.event, e.reason, e.alarm,
       nullif(a.state, 'WAITING') AS webhook_state
FROM store.node_events e
LEFT JOIN store.alarms a ON e.alarm AND (a.at_us, a.cluster, a.node, a.event) = (e.at_us, e.cluster, e.node, e.event);

-- name: audit
SELECT make_timestamp(at_us) AS done_at, actor, action, subject, detail
FROM store.audit
WHERE {team} IS NULL;

-- name: view_columns
SELECT c.table_name AS view, c.column_name AS column, c.data_type AS type, m.meaning
FROM duckdb_columns() c
LEFT JOIN (VALUES
    ('accepted_at', 'when the gateway took the call'),
    ('action', 'what was done'),
    ('actor', 'who did it'),
    ('alarm', 'whether a person has to look'),
    ('alias', 'a name for a version; of a call, the one that it was asked through'),
    ('alias_revision', 'which move of the alias the call was asked through'),
    ('answer', 'what the call answered, where it is JSON and short'),
    ('arguments', 'what the call was called with, as JSON, where its function has record_arguments='),
    ('arms', 'where the alias leads: versions with weights, as JSON'),
    ('artifact_version', 'the digest of its content, the version, ETag or commit that its store gave it; NULL: not known'),
    ('attempt', 'which launch of the keeper it came of, as its tag `rayfaas-attempt` says'),
    ('attempts', 'how often a spawned call was run'),
    ('author', 'who published the version'),
    ('base', 'where the alias led before the canary, as JSON'),
    ('base_calls', 'calls of the versions that it is compared with'),
    ('base_errors', 'those of them that failed'),
    ('base_p99_ms', 'p99 of the others'),
    ('batch_size', 'how many calls were answered by the one run that answered this'),
    ('began_at', 'when it began'),
    ('began_by', 'who began it'),
    ('bytes', 'how large it is'),
    ('bytes_in', 'bytes of the body that came'),
    ('bytes_out', 'bytes of the body that went back'),
    ('cached_from', 'of a call in state CACHED: the call whose result it was given'),
    ('call', 'the id of the call'),
    ('caller', 'the principal who called, or began the chain of calls that this is one of'),
    ('calls', 'calls of the canarys version in the step'),
    ('canary', 'the canary'),
    ('cluster', 'the Ray cluster; of a call, that which it ran on'),
    ('code', 'the code of the error that the call or deploy ended with; NULL: none'),
    ('code_digest', 'SHA-256 of the bundle that the code came in'),
    ('cold', 'whether it waited because no executor of its version was up'),
    ('cold_reason', 'why it did'),
    ('column', 'the name of the column'),
    ('columns', 'those of it that were written, where that is known'),
    ('content_digest', 'SHA-256 of what makes a version: code, entry and spec'),
    ('context', 'what the caller''s program told of itself, as JSON: orchestrator, git, notebook, host, user'),
    ('cpu_seconds', 'CPU time that the executor used during it'),
    ('created', 'whether the deploy made the version; NULL: not known'),
    ('created_at', 'when it was first deployed'),
    ('created_by', 'who deployed it first'),
    ('cron', 'minute, hour, day of the month, month, day of the week'),
    ('deploy', 'the id of the deploy'),
    ('deprecated_at', 'since when it is not to be called any more; NULL: it may be'),
    ('deprecated_by', 'who said so'),
    ('deployed_by', 'who deployed'),
    ('detail', 'more about it, as JSON'),
    ('deleted_at', 'when it was deleted; NULL: it is there'),
    ('deleted_by', 'who deleted it'),
    ('done_at', 'when'),
    ('due_at', 'the time of the schedule'),
    ('duration_ms', 'from acceptance to end'),
    ('ended_at', 'when it ended'),
    ('environment_digest', 'SHA-256 of the Python and the packages that it ran with'),
    ('errors', 'those of them that failed'),
    ('event', 'what was done, or seen'),
    ('every_s', 'the period in seconds, where there is no cron expression'),
    ('executor', 'the process that ran it'),
    ('failure', 'why the deploy failed, or no executor could import the version'),
    ('flow', 'the Prefect flow or Airflow DAG that called'),
    ('flow_run', 'and which run of it'),
    ('function', 'team/name'),
    ('gateway', 'the life of the gateway that took it'),
    ('git_commit', 'the commit that it was deployed from'),
    ('git_dirty', 'whether files differed from that commit'),
    ('git_remote', 'the repository'),
    ('gpu_seconds', 'run time times the GPUs of its replica, shared by the calls of a batch'),
    ('handled_at', 'when the controller did what came of it'),
    ('happened_at', 'when'),
    ('hardware', 'the machine that it ran on: architecture, cores, GPUs'),
    ('how', 'what saw it: open, pyarrow, polars, pandas, fsspec, boto3, hf, mlflow, or said by the code'),
    ('idempotency_key', 'the key that its caller gave'),
    ('idle_hours', 'of them, without a call before it was stopped'),
    ('instance', 'the id that its provider knows it by'),
    ('interface', 'kind, signature, schemas and docstring, as JSON'),
    ('is_certain', 'false where it may have changed between the call and the look at it'),
    ('is_cut', 'whether they were too long, so that some is left out'),
    ('is_whole', 'whether nothing of them was hidden or left out, so that `rayfaas replay` can make the call again'),
    ('items', 'how many items a stream had'),
    ('last_call', 'the newest call that it made'),
    ('last_due_at', 'the newest of its times that has come'),
    ('last_outcome', 'what came of that'),
    ('level', 'the level of a line that was logged'),
    ('machine_type', 'in the words of its provider'),
    ('logged_at', 'when it was written'),
    ('made_at', 'when it was first wanted'),
    ('meaning', 'what it holds'),
    ('message', 'what its author said of it'),
    ('method', 'of a class'),
    ('mode', 'read or write'),
    ('moved_at', 'when the alias was moved here'),
    ('moved_by', 'by whom'),
    ('name', 'the function without its team'),
    ('next_at', 'when it calls next; NULL: it is suspended'),
    ('node', 'of a call: the Ray node that it ran on; else the name of a machine'),
    ('orchestrator', 'prefect, airflow or github, where one of them called; NULL: what ran outside of any'),
    ('outcome', 'of a deploy: SUCCEEDED, FAILED, CANCELLED by who deployed, INTERRUPTED by the end of the controller; of a canary''s step: ON, PROMOTED, RETURNED, ABORTED, SUPERSEDED; of a schedule''s time: CALLED, SKIPPED since an earlier call went on, MISSED since no server was there, REFUSED'),
    ('overlap', 'whether a time is passed over while an earlier call goes on: skip or allow'),
    ('owner', 'the team whose function was called'),
    ('p99_ms', 'p99 of the versions successful calls that were not cold'),
    ('parent', 'the call that made this one'),
    ('phases', 'milliseconds of each step of the deploy, as JSON'),
    ('place', 'region, zone or host that it is in'),
    ('plan', 'what the canary is to do, as JSON'),
    ('priority', 'which goes first where calls wait'),
    ('provider', 'whose machine it is'),
    ('published_at', 'when it was deployed'),
    ('queue_ms', 'from acceptance to dispatch'),
    ('ray_cluster', 'the cluster, as in calls.cluster'),
    ('ray_node', 'the id that Ray knows it by, as in calls.node'),
    ('read_at', 'when it was read last'),
    ('reads', 'how often it was read'),
    ('reason', 'why, in the words of whoever did it'),
    ('replica', 'the replica that hosted the executor'),
    ('retries', 'how often it is run again where it fails'),
    ('retryable', 'whether the same call may succeed later'),
    ('revision', 'counts the moves of the alias'),
    ('root', 'the call that began the chain; its own id where it did'),
    ('run_ms', 'how long the function ran'),
    ('same', 'whether the copy answered the same'),
    ('scaling', 'minimum and maximum of replicas and the like, as JSON'),
    ('schedule', 'the schedule; of a call, that which made it or its root, as team/name/schedule'),
    ('set_at', 'when it was set'),
    ('shadow_answer', 'what the copy answered, where it is JSON and short'),
    ('shadow_call', 'the copy, a call of its own'),
    ('shadow_code', 'why the copy failed; NULL: it did not'),
    ('shadow_duration_ms', 'how long the copy took'),
    ('shadow_of', 'the call that this one is a copy of; NULL: it is none'),
    ('shadow_state', 'the state of the copy'),
    ('shadow_version', 'the version that gets copies of the calls'),
    ('shape', 'what its replica needs, as a digest'),
    ('share', 'percent of the calls that the version gets in the step'),
    ('spec', 'what @rayfaas.function said, as JSON'),
    ('spot', 'whether its provider may take it back'),
    ('start_within_s', 'how late a time may be made up for'),
    ('started_at', 'when the function began; where nothing ran, when the machine came up'),
    ('state', 'of a call: WAITING, RUNNING, SUCCEEDED, CACHED, FAILED, TIMED_OUT, CANCELLED, REJECTED, INTERRUPTED; of a version: PENDING, ACTIVE, FAILED, DELETED; of a canary: RUNNING, PROMOTED, RETURNED, ABORTED, SUPERSEDED; of a node: REQUESTED, BOOTING, RUNNING, STOPPING, STOPPED, TERMINATING, GONE, UNKNOWN'),
    ('step', 'the number of the step, from 0'),
    ('sticky', 'by what calls stick to a version: caller, or header:NAME'),
    ('stream', 'stdout, stderr or log'),
    ('subject', 'what it was done to'),
    ('successor', 'what to call instead, as team/name'),
    ('sunset_at', 'when it may end'),
    ('suspended_at', 'since when it makes no calls; NULL: it does'),
    ('suspended_by', 'who suspended it; schedule: the server itself'),
    ('suspended_for', 'why'),
    ('syntax_digest', 'SHA-256 of the code''s syntax tree: comments do not count'),
    ('target', 'what was asked for, as it was written'),
    ('task', 'the task of the flow that called'),
    ('trace', 'the W3C trace that the call is in: that of the caller''s traceparent, else one of the chain''s own'),
    ('team', 'of a call: the caller''s, or that which began the chain; else the owner'),
    ('text', 'what was written'),
    ('timezone', 'whose clocks count'),
    ('took_ms', 'from the request to the end of the deploy'),
    ('touched_at', 'when it was opened'),
    ('type', 'in SQL'),
    ('undo', 'the revision that a rollback returns to; 0: none'),
    ('up_hours', 'how long it was paid for'),
    ('uri', 'what was read or written'),
    ('usd', 'what it cost, without disk and traffic; in costs of a row without a call: what a machine cost that nobody held'),
    ('usd_per_hour', 'its price while it is up; NULL: not known'),
    ('version', '1, 2, 3 …'),
    ('view', 'the view that has it'),
    ('want', 'what the keeper wants it to be: RUNNING, STOPPED, GONE'),
    ('webhook', 'where its end is told; NULL too where that is for the eyes of the caller''s team'),
    ('webhook_state', 'whether the webhook was told: DELIVERED or FAILED'),
    ('writer', 'the function that wrote it last; NULL: none that is known'),
    ('writer_version', 'and its version'),
    ('writes', 'how often it was written'),
    ('written_at', 'when it was written last'),
    ('worker_group', 'the group of machines that it is one of')
) AS m("column", meaning) ON m."column" = c.column_name
WHERE c.database_name = 'temp' AND c.table_name <> 'swept'  -- of which the view `costs` is made
ORDER BY c.table_name, c.column_index;
