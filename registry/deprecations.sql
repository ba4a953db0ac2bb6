-- name: deprecations
SELECT team, name, deprecated_us, deprecated_by, sunset_us, successor, reason FROM store.deprecations
ORDER BY team, name;

-- name: put
-- It is deprecated since that was said first.
INSERT INTO store.deprecations BY NAME
SELECT $team AS team, $name AS name, $now AS deprecated_us, $actor AS deprecated_by, $sunset AS sunset_us,
       $successor AS successor, $reason AS reason
ON CONFLICT DO UPDATE SET deprecated_by = EXCLUDED.deprecated_by, sunset_us = EXCLUDED.sunset_us,
                          successor = EXCLUDED.successor, reason = EXCLUDED.reason;

-- name: drop
DELETE FROM store.deprecations WHERE team = $team AND name = $name RETURNING name;
