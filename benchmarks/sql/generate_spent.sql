-- Eight machines with a price, on which the calls of generate_calls.sql ran; and what those cost, as if it had been worked
-- out when their time was over: each a cent for 36 s.

-- name: stays
INSERT INTO store.stays BY NAME
SELECT 'machine' || n AS machine, $now - 61 * 86400000000 AS began_us, NULL::BIGINT AS ended_us, 'local' AS cluster,
       'group' AS worker_group, machine AS node, 3.6 AS usd_per_hour, 8.0 AS cpus, 0.0 AS gpus
FROM range(8) numbers(n);

-- name: rays
INSERT INTO store.rays SELECT 'node' || machine[8:], machine, began_us FROM store.stays;

-- name: spent
INSERT INTO store.spent BY NAME
SELECT c.started_us // {stretch} * {stretch} AS from_us, s.machine, s.began_us, c.run_us / 3.6e9 AS usd,
       (c.started_us + c.run_us) // {stretch} = c.started_us // {stretch} AS is_whole, c.call, c.function, c.version,
       c.alias, c.principal AS caller, c.team, c.owner, c.state, s.cluster, s.worker_group, s.node,
       c.cluster AS ray_cluster, c.node AS ray_node, c.hardware, c.shape, make_timestamp(c.accepted_us) AS accepted_at,
       make_timestamp(c.started_us) AS started_at
FROM store.calls c JOIN store.rays r ON r.ray = c.node JOIN store.stays s USING (machine, began_us)
WHERE c.started_us + c.run_us < $now - 900000000;

-- name: settled
INSERT INTO store.spent_stretches
SELECT from_us, stays FROM ({up}) WHERE from_us + {stretch} < $now - 900000000;

-- name: unsettled
DELETE FROM store.spent WHERE from_us NOT IN (SELECT from_us FROM store.spent_stretches);
