-- name: tables
SELECT table_name FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'store' AND table_name <> 'schema_versions';

-- name: write
COPY store.{table} TO {file} (FORMAT parquet, COMPRESSION zstd);

-- name: files
SELECT file FROM store.partitions WHERE NOT contains(file, '://');

-- name: empty
DELETE FROM store.{table};

-- name: read
INSERT INTO store.{table} BY NAME SELECT * FROM read_parquet($file);
