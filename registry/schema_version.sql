-- name: make_versions
CREATE TABLE store.schema_versions (version INTEGER PRIMARY KEY, since TIMESTAMP NOT NULL);

-- name: set_version
INSERT INTO store.schema_versions VALUES ($version, now() AT TIME ZONE 'UTC');

-- name: has_versions
SELECT count(*) FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'store' AND table_name = 'schema_versions';

-- name: has_tables
SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = 'store';

-- name: version
SELECT coalesce(max(version), 0) FROM store.schema_versions;
