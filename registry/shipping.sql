-- Where the archive's files are: a path in the local folder, or a URL.

-- name: next
SELECT kind, file FROM store.partitions WHERE NOT contains(file, '://') ORDER BY from_us, file LIMIT 1;

-- name: note
INSERT OR REPLACE INTO store.leftovers VALUES ($url, $now);

-- name: move
UPDATE store.partitions SET file = $url WHERE file = $file RETURNING file;

-- name: leftovers
SELECT file FROM store.leftovers ORDER BY noted_us, file;

-- name: forget
DELETE FROM store.leftovers WHERE file = $url;
