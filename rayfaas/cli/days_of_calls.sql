-- The days between $1 seconds ago and $2 that have some.
SELECT DISTINCT strftime(accepted_at, '%Y-%m-%d') AS day FROM calls
WHERE accepted_at >= (now() AT TIME ZONE 'UTC') - to_seconds($1::DOUBLE)
  AND accepted_at < (now() AT TIME ZONE 'UTC') - to_seconds($2::DOUBLE)
ORDER BY day
