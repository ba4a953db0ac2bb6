-- The newest calls, spawned ones once each, whatever it took. $1: state, $2: function with or without its team, $3: how many.
SELECT call, function, version, method, state, code, attempts, caller, accepted_at, ended_at, spawned
FROM (
    SELECT call, function, version, method, state, code, attempts, caller, accepted_at, ended_at, true AS spawned
    FROM spawned
    UNION ALL
    SELECT call, function, version, method, state, code, NULL, caller, accepted_at, ended_at, false
    FROM calls WHERE call NOT IN (SELECT call FROM spawned)
)
WHERE ($1::VARCHAR IS NULL OR state = $1)
  AND ($2::VARCHAR IS NULL OR function = $2 OR split_part(function, '/', 2) = $2)
ORDER BY accepted_at DESC LIMIT $3
