-- What the cache did with calls. $team NULL sees all.

-- name: call
SELECT c.call::VARCHAR AS call, c.function, c.version, c.method, c.state, c.cached_from::VARCHAR AS cached_from,
       l.verdict, l.accept, l.arguments, l.uri, l.was, l.now, k.why_not
FROM store.calls_since($begun) c LEFT JOIN store.looked_up l USING (call) LEFT JOIN store.kept k USING (call)
WHERE c.call = $call::UUID AND ($team IS NULL OR c.team = $team OR c.owner = $team);

-- name: earlier
-- Those of the same function or method that were computed before, the newest first.
SELECT c.call::VARCHAR AS call, c.function, c.version, c.method, c.state, NULL AS cached_from,
       l.verdict, l.accept, l.arguments, l.uri, l.was, l.now, k.why_not
FROM store.looked_up l JOIN store.calls_since(0) c USING (call) LEFT JOIN store.kept k USING (call)
WHERE l.call < $call::UUID AND c.function = $function AND c.method IS NOT DISTINCT FROM $method
  AND ($team IS NULL OR c.team = $team OR c.owner = $team)
ORDER BY l.call DESC LIMIT $limit;
