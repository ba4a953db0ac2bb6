-- {time} is a kind's column of time.

-- name: several
-- The oldest month that ended before then and is in several files, small ones.
SELECT list(file ORDER BY from_us, file) AS files, min(from_us) AS from_us, max(until_us) AS until_us,
       sum(number_of_rows)::BIGINT AS rows, sum(bytes)::BIGINT AS bytes
FROM store.partitions WHERE kind = $kind
GROUP BY date_trunc('month', make_timestamp(from_us))
HAVING count(*) > 1 AND sum(bytes) <= $most AND max(until_us) <= $before
   AND epoch_us(date_trunc('month', make_timestamp(min(from_us))) + INTERVAL 1 MONTH) <= $before
ORDER BY min(from_us) LIMIT 1;

-- name: begun
-- The oldest file of which a part is older than that, and all is not.
SELECT [file] AS files, $deleted::BIGINT AS from_us, until_us, NULL AS rows, bytes
FROM store.partitions WHERE kind = $kind AND from_us < $deleted AND until_us > $deleted
ORDER BY from_us LIMIT 1;

-- name: write
COPY (SELECT * FROM read_parquet([{files}], union_by_name = true) WHERE {time} >= {from_us})
TO {file} (FORMAT parquet, COMPRESSION zstd);

-- name: noted
SELECT count(*) AS files FROM store.partitions WHERE list_contains($files::VARCHAR[], file);

-- name: leave
INSERT OR REPLACE INTO store.leftovers
SELECT file, $now FROM store.partitions WHERE list_contains($files::VARCHAR[], file) AND contains(file, '://');

-- name: drop
DELETE FROM store.partitions WHERE list_contains($files::VARCHAR[], file);
