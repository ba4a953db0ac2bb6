-- What calls came to, in groups. {by} are the expressions that they are grouped by, {calls} where they are.
-- Equal aggregates are worked out once: so are the quantiles, which keep every value in memory, so in four bytes each.
-- $1 and $2: seconds ago, from and to; $3: the function, with or without its team; $4: the callers' team; $5: rows.

-- name: usage
SELECT {by},
       count(*) AS calls,
       count(*) FILTER (code IS NOT NULL) AS errors,
       count(*) FILTER (cold) AS cold_starts,
       round(quantile_cont(duration_ms::FLOAT, [0.5, 0.95, 0.99])[1]::DOUBLE, 3) AS p50_ms,
       round(quantile_cont(duration_ms::FLOAT, [0.5, 0.95, 0.99])[2]::DOUBLE, 3) AS p95_ms,
       round(quantile_cont(duration_ms::FLOAT, [0.5, 0.95, 0.99])[3]::DOUBLE, 3) AS p99_ms,
       round(sum(queue_ms) / 1000, 3) AS queue_seconds,
       round(sum(run_ms) / 1000, 3) AS run_seconds,
       round(sum(cpu_seconds), 3) AS cpu_seconds,
       round(sum(gpu_seconds), 3) AS gpu_seconds,
       sum(bytes_in)::BIGINT AS bytes_in,
       sum(bytes_out)::BIGINT AS bytes_out{ran}
FROM {calls}
WHERE accepted_at <= (now() AT TIME ZONE 'UTC') - to_seconds($2::DOUBLE)
  AND ($3::VARCHAR IS NULL OR function = $3 OR split_part(function, '/', 2) = $3)
  AND ($4::VARCHAR IS NULL OR team = $4)
GROUP BY ALL

-- name: most
ORDER BY calls DESC, 1 LIMIT $5

-- name: with_via
(SELECT c.*, coalesce(p.function, '') AS via FROM {view} c LEFT JOIN (
     SELECT call, function FROM calls WHERE call IN (SELECT parent FROM {view})
 ) p ON p.call = c.parent)

-- name: begun
(SELECT * FROM {calls} WHERE accepted_at >= (now() AT TIME ZONE 'UTC') - to_seconds($1::DOUBLE))

-- name: begun_or_paid
-- What was paid for is told of calls that began before, too.
(SELECT * FROM {calls} WHERE accepted_at >= (now() AT TIME ZONE 'UTC') - to_seconds($1::DOUBLE)
 UNION ALL
 SELECT * FROM {calls} WHERE accepted_at < (now() AT TIME ZONE 'UTC') - to_seconds($1::DOUBLE) AND call IN (
     SELECT call FROM costs WHERE call IS NOT NULL AND accepted_at < (now() AT TIME ZONE 'UTC') - to_seconds($1::DOUBLE)
 ))

-- name: ran
, count(run_ms) AS ran

-- name: with_cost
-- The first statement, beside what the same groups cost; what they are called there, and what two that are the same have
-- in common, is said besides. Machines that idled are those that the calls in question ran on, of all calls all.
WITH counted AS MATERIALIZED ({counted}), money AS (
    SELECT {of_costs}, sum(usd) AS usd, count(*) AS paid
    FROM {costs}
    WHERE call IS NOT NULL AND ($3::VARCHAR IS NULL OR function = $3 OR split_part(function, '/', 2) = $3)
      AND ($4::VARCHAR IS NULL OR team = $4)
    GROUP BY ALL
)
SELECT * FROM (
    SELECT c.* EXCLUDE (ran), round(m.usd, 9) AS usd, c.ran - coalesce(m.paid, 0) AS calls_without_price
    FROM counted c LEFT JOIN money m ON {same}
    {most}
)
UNION ALL BY NAME
SELECT {cluster}cluster || '/' || worker_group AS idle, 0 AS calls, round(sum(usd), 9) AS usd
FROM costs WHERE call IS NULL{those}
GROUP BY ALL
ORDER BY idle NULLS FIRST, calls DESC

-- name: those
 AND (cluster, node) IN (SELECT (cluster, node) FROM (
    SELECT DISTINCT cluster, node FROM costs
    WHERE ($3::VARCHAR IS NULL OR function = $3 OR split_part(function, '/', 2) = $3)
      AND ($4::VARCHAR IS NULL OR team = $4) AND call IS NOT NULL
))
