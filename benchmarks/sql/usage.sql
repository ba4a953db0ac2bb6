-- The question of the README: who called what, how often, how fast.
SELECT function, version, caller, count(*), quantile_cont(duration_ms, 0.5) FROM calls GROUP BY ALL
