-- The days between $1 seconds ago and $2 that have some.
SELECT DISTINCT strftime(touched_at, '%Y-%m-%d') AS day FROM lineage
WHERE touched_at >= (now() AT TIME ZONE 'UTC') - to_seconds($1::DOUBLE)
  AND touched_at < (now() AT TIME ZONE 'UTC') - to_seconds($2::DOUBLE)
ORDER BY day
