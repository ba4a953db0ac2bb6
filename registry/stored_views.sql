-- Made anew at each start, and whenever the archive changes: see stored_views.py.

CREATE OR REPLACE VIEW store.locked_versions AS
SELECT v.*, e.locked FROM store.versions v LEFT JOIN store.environments e ON e.digest = v.environment_digest;

CREATE OR REPLACE VIEW store.all_spawned AS
SELECT s.*, split_part(s.function, '/', 1) AS owner, e.ended_us, e.attempts, e.code, e.content_type AS result_type,
       e.body AS result, e.problem, coalesce(e.state, 'WAITING') AS state
FROM store.spawned s LEFT JOIN (
    SELECT * FROM store.settled QUALIFY row_number() OVER (PARTITION BY call ORDER BY ended_us) = 1
) e USING (call);

-- Spawned calls that have ended, and whose webhooks are not done with.
CREATE OR REPLACE VIEW store.untold AS
SELECT * FROM store.all_spawned
WHERE webhook IS NOT NULL AND state <> 'WAITING' AND call NOT IN (SELECT call FROM store.told);

CREATE OR REPLACE VIEW store.recent_calls AS
SELECT * FROM store.calls
UNION ALL BY NAME
SELECT *, 'RUNNING' AS state FROM store.open_calls;

-- As people see them: a spawned call runs while one of its attempts does. The first has its id, the others it as parent.
CREATE OR REPLACE VIEW store.seen_spawned AS
SELECT * REPLACE (
    CASE WHEN state = 'WAITING'
              AND call IN (SELECT call FROM store.open_calls UNION ALL SELECT parent FROM store.open_calls)
         THEN 'RUNNING' ELSE state END AS state)
FROM store.all_spawned;

-- When each function was deleted last.
CREATE OR REPLACE VIEW store.ends AS
SELECT team, name, max(deleted_us) AS ended_us, arg_max(deleted_by, deleted_us) AS ended_by,
       arg_max(reason, deleted_us) AS reason
FROM store.deletions WHERE version IS NULL GROUP BY team, name;

CREATE OR REPLACE VIEW store.current_aliases AS
SELECT m.* EXCLUDE (phases) FROM store.alias_moves m LEFT JOIN store.ends e USING (team, name)
WHERE m.moved_us > coalesce(e.ended_us, 0)
QUALIFY row_number() OVER (PARTITION BY team, name, alias ORDER BY revision DESC) = 1;

-- Functions that are deleted, and were not deployed since.
CREATE OR REPLACE VIEW store.gone AS
SELECT * FROM store.ends e
WHERE NOT EXISTS (SELECT 1 FROM store.current_aliases a WHERE a.team = e.team AND a.name = e.name);

-- What called, as the JSON of a call's context tells it.
CREATE OR REPLACE MACRO store.orchestrator(told) AS
CASE WHEN (told -> '$.prefect') IS NOT NULL THEN 'prefect' WHEN (told -> '$.airflow') IS NOT NULL THEN 'airflow'
     WHEN (told -> '$.github') IS NOT NULL THEN 'github' END;
CREATE OR REPLACE MACRO store.flow(told) AS coalesce(told ->> '$.prefect.flow', told ->> '$.airflow.dag');
CREATE OR REPLACE MACRO store.flow_run(told) AS coalesce(told ->> '$.prefect.flow_run', told ->> '$.airflow.run');
CREATE OR REPLACE MACRO store.task(told) AS coalesce(told ->> '$.prefect.task', told ->> '$.airflow.task');
CREATE OR REPLACE MACRO store.schedule(told) AS
(told ->> '$.schedule.function') || '/' || (told ->> '$.schedule.name');
