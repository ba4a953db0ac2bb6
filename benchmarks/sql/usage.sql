-- The question of the README: who called what, how often, how fast.
-- Durations are held in memory, all of them, so in the type that takes the least.
SELECT function, version, caller, count(*), quantile_cont(duration_ms::FLOAT, 0.5) FROM calls GROUP BY ALL
