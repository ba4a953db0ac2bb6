-- $edges / 3 calls, one after the other: each reads two of the fifty artifacts that were written before, and writes one.

-- name: calls
INSERT INTO store.calls BY NAME
SELECT
    format('01900000-0000-7000-8000-{:012d}', n)::UUID AS call, call AS root, 'f' AS target, 'red/f' AS function,
    1 AS version, 'code' AS code_digest, 'syntax' AS syntax_digest, 'environment' AS environment_digest,
    'shape' AS shape, 'red' AS owner, 'ann' AS principal, 'red' AS team, 'gateway-0' AS gateway, n AS accepted_us,
    40 AS bytes_in, 'SUCCEEDED' AS state, n AS ended_us, 'executor' || n % 100 AS executor
FROM range($edges // 3) numbers(n);

-- name: touches
INSERT INTO store.touches BY NAME
SELECT format('01900000-0000-7000-8000-{:012d}', n)::UUID AS call, 'executor' || n % 100 AS executor, 'red/f' AS function,
       1 AS version, 'red' AS team, 'red' AS owner, n AS at_us, mode, 'file:///' || number AS uri, 'v' AS artifact_version,
       1 AS bytes, 'open' AS how, true AS is_certain, hash(uri, artifact_version) AS artifact
FROM (
    SELECT n, unnest(['read', 'read', 'write']) AS mode,
           unnest([n - 1 - (hash(n) % 50)::BIGINT, n - 1 - (hash(-n) % 50)::BIGINT, n]) AS number
    FROM range($edges // 3) numbers(n)
);
