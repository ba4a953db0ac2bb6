-- name: limits
SELECT kind, name, calls_per_s, concurrency, gpu_s_per_day, weight FROM store.limits ORDER BY kind, name;

-- name: put
INSERT OR REPLACE INTO store.limits VALUES
    ($kind, $name, $calls_per_s, $concurrency, $gpu_s_per_day, $weight, $now, $actor);

-- name: drop
DELETE FROM store.limits WHERE kind = $kind AND name = $name RETURNING name;

-- name: spent
-- GPU time since a moment, of those that have a limit of it. Of a call that began before, its part since then.
SELECT l.kind, l.name
FROM store.limits l JOIN store.calls c
    ON c.ended_us > $since
   AND CASE l.kind WHEN 'team' THEN c.team WHEN 'principal' THEN c.principal ELSE c.function END = l.name
WHERE l.gpu_s_per_day IS NOT NULL AND c.gpu_us > 0
GROUP BY l.kind, l.name, l.gpu_s_per_day
HAVING sum(c.gpu_us * least(1.0, (c.ended_us - $since) / greatest(1, c.ended_us - c.started_us))) / 1e6
       >= l.gpu_s_per_day;
