-- What calls cost of the machines that they ran on, worked out of what ran when; for stretches that are over once and for
-- all. {stretch} is the length of one, in microseconds.

-- name: sweep
-- From {since} to {until}. While an executor has calls, it holds of its machine the larger of the shares of CPUs
-- and GPUs that its function asks for, and its calls share that evenly; executors that hold more than all of it share all.
-- Calls and stays have numbers: those are quicker to sort.
SELECT machine, began_us, call, is_whole, usd FROM (
    WITH stays AS MATERIALIZED (
        SELECT s.* EXCLUDE (usd_per_hour), row_number() OVER () AS stay, usd_per_hour / 3.6e9 AS usd_per_us,
               greatest(s.began_us, {since}) AS from_us, least(coalesce(s.ended_us, {until}), {until}) AS to_us
        FROM store.stays s
        WHERE s.usd_per_hour IS NOT NULL AND s.began_us < {until} AND coalesce(s.ended_us, {until}) > {since}
    ), asked AS (
        SELECT team || '/' || name AS function, version, coalesce((spec ->> '$.shape.cpus')::DOUBLE, 1.0) AS cpus,
               coalesce((spec ->> '$.shape.gpus')::DOUBLE, 0.0) AS gpus
        FROM store.versions
    ), ran AS MATERIALIZED (
        SELECT row_number() OVER () AS number, s.stay, s.usd_per_us,
               hash(coalesce(c.executor, c.call::VARCHAR)) AS executor,
               greatest(c.started_us, s.from_us) AS from_us, least(c.started_us + c.run_us, s.to_us) AS to_us,
               c.started_us >= {since} AND c.started_us + c.run_us <= {until} AS is_whole,
               CASE WHEN s.cpus + s.gpus = 0 OR a.cpus IS NULL THEN 1.0
                    ELSE greatest(coalesce(a.cpus / nullif(s.cpus, 0), 0.0), coalesce(a.gpus / nullif(s.gpus, 0), 0.0))
               END AS share, c.call
        FROM store.calls_since({accepted}) c JOIN store.rays r ON r.ray = c.node JOIN stays s USING (machine, began_us)
             LEFT JOIN asked a USING (function, version)
        WHERE c.started_us < s.to_us AND c.started_us + c.run_us > s.from_us
          AND {ran}
    ), steps AS (
        SELECT number, stay, usd_per_us, executor, share, unnest([from_us, to_us]) AS at_us, unnest([1, -1]) AS step
        FROM ran WHERE from_us < to_us
    ), counted AS (
        SELECT *, sum(step) OVER (PARTITION BY stay, executor ORDER BY at_us, step, number
                                  ROWS UNBOUNDED PRECEDING) AS running
        FROM steps
    ), held AS (
        SELECT *, sum(share * ((running > 0)::INT - (running - step > 0)::INT)) OVER (
                      PARTITION BY stay ORDER BY at_us, step, number ROWS UNBOUNDED PRECEDING) AS held,
               lead(at_us) OVER (PARTITION BY stay ORDER BY at_us, step, number) - at_us AS next_us
        FROM counted
    ), paced AS (
        SELECT *, coalesce(sum(usd_per_us * next_us / greatest(1.0, held)) OVER (
                      PARTITION BY stay ORDER BY at_us, step, number
                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0.0) AS whole_usd
        FROM held
    ), paid AS (
        SELECT *, share * (lead(whole_usd) OVER (PARTITION BY stay, executor ORDER BY at_us, step, number) - whole_usd)
                  / nullif(running, 0) AS each_usd
        FROM paced
    ), billed AS (
        SELECT *, sum(each_usd) OVER (PARTITION BY stay, executor ORDER BY at_us, step, number
                                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS so_far_usd
        FROM paid
    ), totals AS (
        SELECT number, sum(-step * coalesce(so_far_usd, 0.0)) AS usd FROM billed GROUP BY number
    )
    SELECT s.machine, s.began_us, ran.call, ran.is_whole, totals.usd
    FROM totals JOIN ran USING (number) JOIN stays s ON s.stay = ran.stay
)

-- name: paid
-- The same with what is told of each call and its machine.
SELECT w.machine, w.began_us, w.usd, w.is_whole, w.call, c.parent, c.function, c.version, c.method, c.alias,
       c.principal AS caller, c.team, c.owner, c.state, c.code, store.orchestrator(told) AS orchestrator,
       store.flow(told) AS flow, store.flow_run(told) AS flow_run, store.task(told) AS task,
       store.schedule(told) AS schedule, s.cluster, s.worker_group, s.node, c.cluster AS ray_cluster, c.node AS ray_node, c.hardware, c.shape,
       make_timestamp(c.accepted_us) AS accepted_at, make_timestamp(c.started_us) AS started_at
FROM ({sweep}) w JOIN store.stays s USING (machine, began_us) JOIN (
    SELECT *, TRY_CAST(context AS JSON) AS told FROM store.calls_since({accepted}) c WHERE {ran}
) c USING (call)

-- name: up
-- Of each stretch in {stretches} a digest of the machines that were up in it.
SELECT p.from_us, coalesce(bit_xor(hash(s.machine, s.began_us, greatest(s.began_us, p.from_us),
       least(s.ended_us, p.from_us + {stretch}), s.usd_per_hour, s.cpus, s.gpus, s.known)), 0) AS stays
FROM {stretches} p LEFT JOIN (
    SELECT s.* REPLACE (coalesce(s.ended_us, 9223372036854775807) AS ended_us), r.known
    FROM store.stays s LEFT JOIN (
        SELECT machine, began_us, string_agg(ray, ' ' ORDER BY ray) AS known FROM store.rays GROUP BY ALL
    ) r USING (machine, began_us)
) s ON s.began_us < p.from_us + {stretch} AND s.ended_us > p.from_us
GROUP BY p.from_us

-- name: unsettled
-- The oldest stretches that are over, in which a machine with a price was up, and of which nothing counts. No call that
-- is open may have run in them.
WITH over AS (
    SELECT least($before, (SELECT coalesce(min(accepted_us), $before) FROM store.open_calls)) AS before
), stretches AS MATERIALIZED (
    SELECT DISTINCT unnest(range(began_us // {stretch} * {stretch},
                                 least(coalesce(ended_us, before), before - {stretch} + 1), {stretch})) AS from_us
    FROM store.stays, over WHERE usd_per_hour IS NOT NULL
)
SELECT from_us FROM ({up}) up ANTI JOIN store.spent_stretches done USING (from_us, stays)
WHERE NOT list_contains($but::BIGINT[], from_us)
ORDER BY from_us LIMIT $limit;

-- name: ran
-- Whether a call ran between {since} and {until}. Of what was stored at other times little is looked at: it ended {slack}
-- before at most, as clocks differ.
c.started_us < {until} AND c.ended_us > {since} - {slack} AND c.started_us + c.run_us > {since} AND c.run_us > 0

-- name: size
SELECT count(*) AS calls FROM store.calls_since({accepted}) c WHERE {ran};

-- name: write
COPY (SELECT {from_us}::BIGINT AS from_us, * FROM ({paid})) TO {file} (FORMAT parquet);

-- name: forget
DELETE FROM store.spent WHERE from_us = $from_us;

-- name: forget_stretch
DELETE FROM store.spent_stretches WHERE from_us = $from_us;

-- name: settle
INSERT INTO store.spent BY NAME SELECT * FROM read_parquet($file);

-- name: settled
INSERT INTO store.spent_stretches VALUES ($from_us, $stays);

-- name: loaded
-- The time in which calls ran that were loaded just now, and whether some of it is settled.
SELECT min(started_us) AS first_us, max(started_us + run_us) AS last_us,
       coalesce(min(started_us) < (SELECT max(from_us) FROM store.spent_stretches) + {stretch}, false) AS is_late
FROM records WHERE k = 'end' AND run_us > 0;

-- name: forget_late
DELETE FROM store.spent WHERE from_us > $first_us - {stretch} AND from_us < $last_us;

-- name: forget_late_stretches
DELETE FROM store.spent_stretches WHERE from_us > $first_us - {stretch} AND from_us < $last_us;

-- name: forget_deleted
-- Of a day that is in the archive, calls are deleted together. Their stretches stay settled: there is nothing in them
-- any more.
DELETE FROM store.spent WHERE from_us < $before AND accepted_at < make_timestamp(least($before, (
    SELECT coalesce(min(from_us), $before) FROM store.partitions WHERE kind = 'calls'
)));

-- name: runs
-- For a question: the stretches between {since} and {until} that count, as runs without a gap.
WITH stretches AS (
    SELECT from_us, stays FROM store.spent_stretches WHERE from_us >= {since} AND from_us + {stretch} <= {until}
), counting AS (
    SELECT from_us, row_number() OVER (ORDER BY from_us) * {stretch} AS place
    FROM stretches SEMI JOIN ({up}) now USING (from_us, stays)
)
SELECT min(from_us), max(from_us) + {stretch} FROM counting GROUP BY from_us - place ORDER BY 1;

-- name: begun
-- Since when calls were accepted that may have run since.
SELECT coalesce(min(accepted_us), $since) AS begun_us FROM store.calls_since($accepted)
WHERE ended_us > $since - $slack AND accepted_us < $since;

-- name: swept
-- What calls cost in a span; of none at first.
CREATE TEMP TABLE swept AS {paid};

-- name: sweep_more
INSERT INTO swept {paid};
