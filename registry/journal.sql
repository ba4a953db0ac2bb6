-- name: stage
CREATE OR REPLACE TEMP TABLE records AS
SELECT * FROM read_json($file, format = 'newline_delimited', maximum_object_size = 67108864, columns = {
    k: 'VARCHAR', call: 'VARCHAR', root: 'VARCHAR', parent: 'VARCHAR', target: 'VARCHAR', alias: 'VARCHAR',
    alias_revision: 'INTEGER', function: 'VARCHAR', version: 'INTEGER', code_digest: 'VARCHAR',
    syntax_digest: 'VARCHAR', environment_digest: 'VARCHAR', shape: 'VARCHAR', owner: 'VARCHAR', principal: 'VARCHAR',
    team: 'VARCHAR', gateway: 'VARCHAR', context: 'VARCHAR', idempotency_key: 'VARCHAR', accepted_us: 'BIGINT',
    bytes_in: 'BIGINT', state: 'VARCHAR', ended_us: 'BIGINT', code: 'VARCHAR', retryable: 'BOOLEAN',
    started_us: 'BIGINT', queue_us: 'BIGINT', run_us: 'BIGINT', cpu_us: 'BIGINT', gpu_us: 'BIGINT',
    bytes_out: 'BIGINT', items: 'BIGINT', cold: 'VARCHAR', executor: 'VARCHAR', replica: 'VARCHAR', node: 'VARCHAR',
    cluster: 'VARCHAR', hardware: 'VARCHAR', at_us: 'BIGINT', stream: 'VARCHAR', level: 'VARCHAR', text: 'VARCHAR',
    content_type: 'VARCHAR', body: 'VARCHAR', timeout_s: 'DOUBLE', retries: 'INTEGER', retry_delay_s: 'DOUBLE',
    attempts: 'INTEGER', problem: 'VARCHAR', method: 'VARCHAR', batch_size: 'INTEGER', accept: 'VARCHAR',
    priority: 'INTEGER', webhook: 'VARCHAR', shadow_of: 'VARCHAR', same: 'BOOLEAN', answer: 'VARCHAR',
    shadow_answer: 'VARCHAR', mode: 'VARCHAR', uri: 'VARCHAR', how: 'VARCHAR',
    artifact_version: 'VARCHAR', bytes: 'BIGINT', "columns": 'VARCHAR[]', is_certain: 'BOOLEAN',
    cached_from: 'VARCHAR', verdict: 'VARCHAR', arguments: 'VARCHAR', was: 'VARCHAR', now: 'VARCHAR', why_not: 'VARCHAR',
    is_whole: 'BOOLEAN', is_cut: 'BOOLEAN'
});

-- name: kinds
SELECT DISTINCT k FROM records;

-- name: begun
INSERT INTO store.open_calls BY NAME
SELECT call::UUID AS call, TRY_CAST(root AS UUID) AS root, TRY_CAST(parent AS UUID) AS parent, target, alias,
       alias_revision, function, version, code_digest, syntax_digest, environment_digest, shape, owner, principal, team,
       gateway, context, idempotency_key, accepted_us, bytes_in, method, TRY_CAST(shadow_of AS UUID) AS shadow_of
FROM records WHERE k = 'start' AND call NOT IN (SELECT call FROM records WHERE k = 'end');

-- name: ended
-- Most calls end in the batch in which they begin: they need not pass through store.open_calls.
CREATE OR REPLACE TEMP TABLE ended AS
SELECT s.call::UUID AS call, TRY_CAST(s.root AS UUID) AS root, TRY_CAST(s.parent AS UUID) AS parent, s.target, s.alias,
       s.alias_revision, s.function, s.version, s.code_digest, s.syntax_digest, s.environment_digest, s.shape, s.owner,
       s.principal, s.team, s.gateway, s.context, s.idempotency_key, s.accepted_us, s.bytes_in, s.method,
       TRY_CAST(s.shadow_of AS UUID) AS shadow_of,
       e.state, e.ended_us, e.code, e.retryable, e.started_us, e.queue_us, e.run_us, e.cpu_us, e.gpu_us,
       e.bytes_out, e.items, e.cold, e.executor, e.replica, e.node, e.cluster, e.hardware, e.batch_size,
       TRY_CAST(e.cached_from AS UUID) AS cached_from
FROM records s JOIN records e ON s.call = e.call AND s.k = 'start' AND e.k = 'end'
UNION ALL BY NAME
SELECT open_calls.*, e.state, e.ended_us, e.code, e.retryable, e.started_us, e.queue_us, e.run_us, e.cpu_us, e.gpu_us,
       e.bytes_out, e.items, e.cold, e.executor, e.replica, e.node, e.cluster, e.hardware, e.batch_size,
       TRY_CAST(e.cached_from AS UUID) AS cached_from
FROM store.open_calls JOIN (SELECT * FROM records WHERE k = 'end') e ON open_calls.call = e.call::UUID;

-- name: close
INSERT INTO store.calls BY NAME SELECT * FROM ended;

-- name: forget_closed
DELETE FROM store.open_calls WHERE call IN (SELECT call::UUID FROM records WHERE k = 'end');

-- name: log
INSERT INTO store.logs BY NAME
SELECT call::UUID AS call, function, version, at_us, stream, level, text,
       (SELECT next FROM store.log_numbers) + row_number() OVER () - 1 AS number
FROM records WHERE k = 'log';

-- name: numbered
UPDATE store.log_numbers SET next = next + (SELECT count(*) FROM records WHERE k = 'log');

-- name: spawned
INSERT INTO store.spawned BY NAME
SELECT call::UUID AS call, TRY_CAST(root AS UUID) AS root, TRY_CAST(parent AS UUID) AS parent, target, function,
       version, principal, team, gateway, accepted_us, content_type, body, timeout_s, retries, retry_delay_s,
       idempotency_key, method, coalesce(accept, '') AS accept, coalesce(priority, 0) AS priority, webhook,
       context
FROM records WHERE k = 'spawned';

-- name: settled
INSERT INTO store.settled
SELECT call::UUID, state, ended_us, attempts, code, content_type, body, problem FROM records WHERE k = 'settled';

-- name: told
INSERT INTO store.told
SELECT call::UUID, state, ended_us, attempts, problem FROM records WHERE k = 'told';

-- name: compared
INSERT INTO store.compared BY NAME
SELECT call::UUID AS call, shadow_of::UUID AS shadow_of, same, answer, shadow_answer FROM records WHERE k = 'compared';

-- name: looked_up
INSERT INTO store.looked_up BY NAME
SELECT call::UUID AS call, verdict, accept, arguments, uri, was, now FROM records WHERE k = 'looked_up';

-- name: kept
INSERT INTO store.kept BY NAME SELECT call::UUID AS call, why_not FROM records WHERE k = 'kept';

-- name: recorded
INSERT INTO store.arguments BY NAME
SELECT call::UUID AS call, at_us, arguments, coalesce(is_whole, false) AS is_whole, coalesce(is_cut, false) AS is_cut
FROM records WHERE k = 'recorded';

-- name: touching
SELECT min(call) AS first, max(call) AS last FROM records WHERE k = 'touched';

-- name: touched
-- An executor's word counts for calls of its own version only. Ids begin with their time, so few calls are looked at.
INSERT INTO store.touches BY NAME
SELECT c.call, r.executor, r.function, r.version, c.team, split_part(r.function, '/', 1) AS owner, r.at_us, r.mode,
       r.uri, r.artifact_version, r.bytes, r.columns, r.how, coalesce(r.is_certain, true) AS is_certain,
       hash(r.uri, coalesce(r.artifact_version, '')) AS artifact
FROM records r LEFT JOIN (
    SELECT call, function, version, team FROM store.recent_calls WHERE call BETWEEN $first::UUID AND $last::UUID
) c ON c.call = r.call::UUID AND c.function = r.function AND c.version = r.version
WHERE r.k = 'touched' AND (r.call IS NULL OR c.call IS NOT NULL);

-- name: loaded
SELECT loaded_bytes FROM store.segments WHERE segment = $segment;

-- name: set_loaded
INSERT OR REPLACE INTO store.segments VALUES ($segment, $loaded);

-- name: gateways
SELECT DISTINCT gateway FROM store.open_calls;

-- name: interrupt
CREATE OR REPLACE TEMP TABLE ended AS
SELECT *, 'INTERRUPTED' AS state, $now::BIGINT AS ended_us, 'interrupted' AS code, NULL::BIGINT AS queue_us,
       NULL::BIGINT AS cpu_us, NULL::BIGINT AS gpu_us, 0::BIGINT AS bytes_out, NULL::VARCHAR AS cold
FROM store.open_calls WHERE gateway = $gateway;

-- name: forget_interrupted
DELETE FROM store.open_calls WHERE gateway = $gateway;

-- name: logs
SELECT call::VARCHAR AS call, function, version, at_us, stream, level, text FROM store.logs_since($begun)
WHERE ($function IS NULL OR function = $function) AND ($call IS NULL OR call = TRY_CAST($call AS UUID))
  AND ($team IS NULL OR starts_with(function, $team || '/'))
ORDER BY at_us DESC LIMIT $limit;

-- Lines are numbered in the order in which they were loaded. Who follows them asks for what was loaded just now, which
-- is not archived.

-- name: last_line
SELECT next - 1 AS last FROM store.log_numbers;

-- name: newest_lines
SELECT number, call::VARCHAR AS call, function, version, at_us, stream, level, text FROM store.logs_since($begun)
WHERE number <= $last
  AND ($function IS NULL OR function = $function) AND ($call IS NULL OR call = TRY_CAST($call AS UUID))
  AND ($team IS NULL OR starts_with(function, $team || '/'))
ORDER BY number DESC LIMIT $limit;

-- name: lines_after
SELECT number, call::VARCHAR AS call, function, version, at_us, stream, level, text FROM store.logs
WHERE number > $after AND number <= $last
  AND ($function IS NULL OR function = $function) AND ($call IS NULL OR call = TRY_CAST($call AS UUID))
  AND ($team IS NULL OR starts_with(function, $team || '/'))
ORDER BY number LIMIT $limit;
