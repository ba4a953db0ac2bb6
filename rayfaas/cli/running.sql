-- Calls that run now and functions that were called in the last hour, with what they are for (the first line of their
-- docstrings) and who calls them.
WITH versions_told AS (
    SELECT function, version, regexp_extract(interface ->> '$.doc', '^[^\n]*') AS about FROM versions
),
led AS (SELECT function, version, list(alias ORDER BY alias) AS aliases FROM aliases GROUP BY ALL)
SELECT c.function, c.version, t.about, coalesce(l.aliases, []) AS aliases, c.team,
       count(*) FILTER (c.state = 'RUNNING') AS running, count(*) AS calls,
       date_diff('second', min(c.accepted_at) FILTER (c.state = 'RUNNING'), now() AT TIME ZONE 'UTC') AS seconds
FROM calls c LEFT JOIN versions_told t USING (function, version) LEFT JOIN led l USING (function, version)
WHERE c.state = 'RUNNING' OR c.accepted_at > (now() AT TIME ZONE 'UTC') - INTERVAL 1 HOUR
GROUP BY ALL ORDER BY c.function, c.version, running DESC, calls DESC, c.team
