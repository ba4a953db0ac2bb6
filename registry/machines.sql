-- What the keeper needs to go on, and what it decided. A node's row is its last state, as the keeper wrote it (`record`).

-- name: groups
SELECT spec FROM store.worker_groups ORDER BY cluster, name;

-- name: set_group
INSERT OR REPLACE INTO store.worker_groups VALUES ($cluster, $name, $spec, $now, $actor);

-- name: delete_group
DELETE FROM store.worker_groups WHERE cluster = $cluster AND name = $name RETURNING name;

-- name: nodes
SELECT record FROM store.machines WHERE state <> 'GONE';

-- name: save_node
INSERT OR REPLACE INTO store.machines VALUES ($id, $state, $record);

-- name: begin_stay
INSERT INTO store.stays
SELECT $id, ((r ->> 'up_since')::DOUBLE * 1e6)::BIGINT, NULL, r ->> 'cluster', r ->> 'group', r ->> 'name',
       (r ->> 'usd_per_hour')::DOUBLE, coalesce((r ->> 'cpus')::DOUBLE, 0), coalesce((r ->> 'gpus')::DOUBLE, 0)
FROM (SELECT $record::JSON AS r) WHERE r ->> 'up_since' IS NOT NULL
ON CONFLICT DO UPDATE SET usd_per_hour = coalesce(excluded.usd_per_hour, usd_per_hour);

-- name: end_stay
UPDATE store.stays SET ended_us = greatest(began_us, (($record::JSON ->> 'changed_at')::DOUBLE * 1e6)::BIGINT)
WHERE machine = $id AND ended_us IS NULL
  AND began_us IS DISTINCT FROM (($record::JSON ->> 'up_since')::DOUBLE * 1e6)::BIGINT;

-- name: note_ray
INSERT OR IGNORE INTO store.rays
SELECT r ->> 'ray', $id, ((r ->> 'up_since')::DOUBLE * 1e6)::BIGINT
FROM (SELECT $record::JSON AS r) WHERE r ->> 'up_since' IS NOT NULL AND r ->> 'ray' IS NOT NULL;

-- name: add_event
INSERT INTO store.node_events VALUES ($at, $cluster, $group, $node, $event, $reason, $alarm);

-- name: pauses
SELECT cluster, name, pauses FROM store.pauses;

-- name: save_pauses
INSERT OR REPLACE INTO store.pauses VALUES ($cluster, $name, $pauses);

-- name: floors
SELECT cluster, name, number, until_us FROM store.floors WHERE until_us > $now;

-- name: set_floor
INSERT OR REPLACE INTO store.floors VALUES ($cluster, $name, $number, $until);
