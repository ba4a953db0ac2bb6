-- What each team called in 30 days, how much of it failed, what it cost.
SELECT team, function, count(*) AS calls, count(*) FILTER (state NOT IN ('SUCCEEDED', 'CACHED')) AS failed,
       sum(cpu_seconds) AS cpu_seconds, quantile_cont(duration_ms, 0.5) AS p50_ms
FROM calls WHERE accepted_at >= now()::TIMESTAMP - INTERVAL 30 DAYS GROUP BY ALL
