-- Of the calls in the temporary table `ended`. Bounds of buckets are in microseconds; {duration} and {queue} are the
-- number of a bucket. Copies of calls for another version count for nobody.

-- name: count
SELECT function, version, state, {duration} AS duration_bucket, {queue} AS queue_bucket, count(*) AS calls,
       count(*) FILTER (coalesce(cold, '') <> '') AS cold,
       sum(greatest(ended_us - accepted_us, 0))::BIGINT AS duration_us, coalesce(sum(queue_us), 0)::BIGINT AS queue_us,
       coalesce(sum(cpu_us), 0)::BIGINT AS cpu_us, coalesce(sum(gpu_us), 0)::BIGINT AS gpu_us,
       sum(bytes_in)::BIGINT AS bytes_in, coalesce(sum(bytes_out), 0)::BIGINT AS bytes_out
FROM ended WHERE shadow_of IS NULL GROUP BY ALL;

-- name: waiting
SELECT function, count(*) AS calls FROM store.spawned WHERE call NOT IN (SELECT call FROM store.settled) GROUP BY ALL;
