-- name: webhook
SELECT w.url, w.set_by, (SELECT count(*) FROM store.alarms WHERE state = 'WAITING') AS waiting,
       (SELECT arg_max(coalesce(problem, ''), at_us) FROM store.alarms WHERE attempts > 0) AS problem
FROM store.alarm_webhook w;

-- name: set
INSERT INTO store.alarm_webhook VALUES ($url, $now, $actor);

-- name: drop
DELETE FROM store.alarm_webhook RETURNING url;

-- name: drop_waiting
DELETE FROM store.alarms WHERE state = 'WAITING';

-- name: raise
INSERT INTO store.alarms BY NAME
SELECT $alarm::UUID AS alarm, $at AS at_us, $cluster AS cluster, $group AS worker_group, $node AS node, $event AS event,
       $reason AS reason
FROM store.alarm_webhook;

-- name: due
SELECT alarm::VARCHAR AS alarm, at_us, cluster, worker_group, node, event, reason, attempts
FROM store.alarms WHERE state = 'WAITING' AND next_us <= $now ORDER BY at_us LIMIT $most;

-- name: settle
UPDATE store.alarms SET state = $state, attempts = $attempts, next_us = $next, problem = $problem
WHERE alarm = $alarm::UUID;
