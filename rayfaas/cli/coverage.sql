-- How much is known. $1: seconds ago. A caller is known where another call made it, or its program told of itself;
-- an artifact's producer where the call that wrote the version that was read is on record.
WITH recent AS (
    SELECT * FROM calls WHERE accepted_at >= (now() AT TIME ZONE 'UTC') - to_seconds($1::DOUBLE)
), reads AS (
    SELECT r.uri, r.artifact_version, count(*) AS n, bool_or(a.writes > 0) AS is_known
    FROM lineage r JOIN artifacts a ON a.uri = r.uri AND a.artifact_version IS NOT DISTINCT FROM r.artifact_version
    WHERE r.mode = 'read' AND NOT starts_with(r.uri, 'artifact://') AND r.touched_at >= (now() AT TIME ZONE 'UTC') - to_seconds($1::DOUBLE)
    GROUP BY ALL
)
SELECT 'calls' AS what, 'all' AS gap, count(*) AS n, count(*) FILTER (parent IS NOT NULL OR context IS NOT NULL) AS known
FROM recent
UNION ALL
SELECT 'artifacts', 'all', count(*), count(*) FILTER (is_known) FROM reads
UNION ALL
(SELECT 'calls', function || ' by ' || caller, count(*), 0 FROM recent
 WHERE parent IS NULL AND context IS NULL GROUP BY ALL ORDER BY count(*) DESC LIMIT $2)
UNION ALL
(SELECT 'artifacts', uri, sum(n)::BIGINT, 0 FROM reads WHERE NOT is_known
 GROUP BY ALL ORDER BY sum(n) DESC LIMIT $2)
