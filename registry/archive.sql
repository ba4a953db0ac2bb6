-- {kind} is the table, {time} its column of time.

-- name: files
SELECT file, until_us, bytes FROM store.partitions WHERE kind = $kind ORDER BY from_us, file;

-- name: schema
-- A file without rows: with it there is always one to read.
COPY (SELECT * FROM store.{kind} WHERE false) TO {file} (FORMAT parquet);

-- name: calls_since
-- The macros read what is in the table, and in those files of the archive that have rows of `begun` or later, in
-- microseconds; 0: all. No other is opened. They may give older rows, too.
-- {files} are all of them, {younger} of each whether it has such rows. Files of an older schema lack columns: those are
-- NULL.
CREATE OR REPLACE MACRO store.calls_since(begun) AS TABLE
SELECT * FROM store.recent_calls
UNION ALL BY NAME
SELECT * FROM read_parquet(list_where([{files}], [{younger}]), union_by_name = true);

-- name: logs_since
CREATE OR REPLACE MACRO store.logs_since(begun) AS TABLE
SELECT * FROM store.logs
UNION ALL BY NAME
SELECT * FROM read_parquet(list_where([{files}], [{younger}]), union_by_name = true);

-- name: touches_since
-- `id` tells one row from another while a statement runs, if all of it says the same `begun`.
CREATE OR REPLACE MACRO store.touches_since(begun) AS TABLE
SELECT *, rowid AS id FROM store.touches
UNION ALL BY NAME
SELECT *, -1 - (file_index * 4294967296 + file_row_number)::BIGINT AS id
FROM read_parquet(list_where([{files}], [{younger}]), union_by_name = true);

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

-- name: leave
INSERT OR REPLACE INTO store.leftovers
SELECT file, $now FROM store.partitions WHERE kind = $kind AND until_us <= $before AND contains(file, '://');

-- name: drop
DELETE FROM store.partitions WHERE kind = $kind AND until_us <= $before;

-- name: delete
DELETE FROM store.{kind} WHERE {time} < $before;

-- name: all_files
SELECT file FROM store.partitions;
