-- $count ended calls of the 60 days before $now, one after the other: 20 teams with 5 principals each call 40 functions, each
-- in 3 versions, of 8 teams, on 8 machines; 1 in 100 failed.
INSERT INTO store.calls BY NAME
SELECT
    call, call AS root, function AS target, 'live' AS alias, 1 AS alias_revision, function, version,
    'code' || n % 120 AS code_digest, 'syntax' || n % 120 AS syntax_digest, 'environment' AS environment_digest,
    'shape' AS shape, owner, team || '-' || n % 5 AS principal, team, 'gateway-0' AS gateway, accepted_us,
    40 AS bytes_in, CASE WHEN n % 100 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END AS state,
    accepted_us + queue_us + run_us AS ended_us, accepted_us + queue_us AS started_us, queue_us, run_us,
    run_us AS cpu_us, 0 AS gpu_us, 64 AS bytes_out, '' AS cold, 'executor' || n // 40 % 8 AS executor,
    'replica' AS replica,
    'node' || n // 40 % 8 AS node, 'local' AS cluster, 'x86_64/2cpu' AS hardware
FROM (
    SELECT
        n, uuid() AS call, 'owner' || n % 8 AS owner, 'owner' || n % 8 || '/f' || n % 40 AS function,
        1 + n % 3 AS version, 'team' || hash(n) % 20 AS team,
        $now - CAST((1 - n / $count) * 60 * 86400e6 AS BIGINT) AS accepted_us,
        200 AS queue_us, CAST(1000 + random() * 200000 AS BIGINT) AS run_us
    FROM range($count) numbers(n)
);
