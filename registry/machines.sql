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
