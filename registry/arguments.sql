-- What calls were called with. $team: whose sight, NULL sees all; the caller's team sees those that it gave itself.

-- name: of_call
SELECT a.arguments, a.is_cut
FROM store.arguments a JOIN store.calls_since($begun) c ON c.call = a.call
WHERE a.call = $call::UUID AND c.call = $call::UUID
  AND ($team IS NULL OR c.owner = $team OR (c.team = $team AND c.parent IS NULL));

-- name: again
SELECT c.target, c.function, c.version, c.method, 'application/json' AS content_type, '' AS accept,
       to_base64(encode(a.arguments)) AS body, coalesce((v.spec ->> 'timeout_s')::DOUBLE, 300.0) AS timeout_s,
       0 AS retries, 1.0 AS retry_delay_s, 0 AS priority, NULL AS webhook
FROM store.arguments a JOIN store.calls_since($begun) c ON c.call = a.call
LEFT JOIN store.versions v ON v.team || '/' || v.name = c.function AND v.version = c.version
WHERE a.call = $call::UUID AND c.call = $call::UUID AND a.is_whole
  AND ($team IS NULL OR c.owner = $team OR (c.team = $team AND c.parent IS NULL));

-- name: purge
DELETE FROM store.arguments WHERE at_us < $before;
