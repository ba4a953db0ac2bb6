-- name: whole
SELECT * FROM {view}

-- name: day
SELECT * FROM {view} WHERE {time} >= TIMESTAMP {since} AND {time} < TIMESTAMP {until} ORDER BY {time}

-- name: write
COPY ({query}) TO {file} (FORMAT parquet, COMPRESSION zstd);
