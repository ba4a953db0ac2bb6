-- {kind} is the table, {time} its column of time.

-- name: files
SELECT file FROM store.partitions WHERE kind = $kind ORDER BY from_us, file;

-- name: nothing
SELECT *, 0 AS archived_file, 0 AS archived_row FROM store.{kind} WHERE false

-- name: read
-- Files of an older schema lack columns: those are NULL.
SELECT *, file_index AS archived_file, file_row_number AS archived_row
FROM read_parquet([{files}], union_by_name = true)

-- name: oldest
SELECT min({time}) AS oldest_us FROM store.{kind};

-- name: count
SELECT count(*) AS rows FROM store.{kind} WHERE {time} >= $from_us AND {time} < $until_us;

-- name: write
COPY (SELECT * FROM store.{kind} WHERE {time} >= {from_us} AND {time} < {until_us})
TO {file} (FORMAT parquet, COMPRESSION zstd);

-- name: move
DELETE FROM store.{kind} WHERE {time} >= $from_us AND {time} < $until_us;

-- name: add
INSERT INTO store.partitions VALUES ($file, $kind, $from_us, $until_us, $rows, $bytes, $now);

-- name: over
SELECT file FROM store.partitions WHERE kind = $kind AND until_us <= $before;

-- name: drop
DELETE FROM store.partitions WHERE kind = $kind AND until_us <= $before;

-- name: delete
DELETE FROM store.{kind} WHERE {time} < $before;

-- name: all_files
SELECT file FROM store.partitions;
