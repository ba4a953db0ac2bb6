-- One step of a walk through the lineage each. $team NULL sees all; $as_of: nothing later. A read is of the latest
-- write of the same artifact before it: what another call wrote with the same content before that, it did not read.
-- $begun: no call that is asked for, and none that one of them made, is older.

-- name: call_details
SELECT c.call::VARCHAR AS call, c.function, c.version, c.method, c.alias, c.principal AS caller, c.team, c.state,
       c.code, c.executor, c.accepted_us, c.ended_us, v.provenance ->> 'git_commit' AS commit,
       (v.provenance ->> 'git_dirty')::BOOLEAN AS is_dirty
FROM store.calls_since($begun) c
LEFT JOIN store.versions v ON v.team || '/' || v.name = c.function AND v.version = c.version
WHERE c.call BETWEEN $first::UUID AND $last::UUID AND c.call IN (SELECT unnest($calls::UUID[]))
  AND ($team IS NULL OR c.team = $team OR c.owner = $team)
  AND ($team IS NULL OR c.owner = $team OR c.function NOT IN (
      SELECT team || '/' || name FROM store.closed
      WHERE (team, name) NOT IN (SELECT (team, name) FROM store.grants WHERE grantee = $team)
  ));

-- name: touches_of_calls
SELECT call::VARCHAR AS call, executor, artifact, uri, artifact_version, bytes, at_us, how, "columns", is_certain
FROM store.touches_since($begun)
WHERE call BETWEEN $first::UUID AND $last::UUID AND call IN (SELECT unnest($calls::UUID[]))
  AND mode = $mode AND at_us <= $as_of
ORDER BY uri, at_us;

-- name: touches_of_executors
SELECT NULL AS call, executor, artifact, uri, artifact_version, bytes, at_us, how, "columns", is_certain
FROM store.touches_since(0)
WHERE call IS NULL AND executor IN (SELECT unnest($executors::VARCHAR[])) AND mode = $mode AND at_us <= $as_of
ORDER BY uri, at_us;

-- name: calls_of_executors
SELECT call::VARCHAR AS call, executor FROM store.calls_since(0)
WHERE executor IN (SELECT unnest($executors::VARCHAR[])) AND accepted_us <= $as_of
  AND ($team IS NULL OR team = $team OR owner = $team)
ORDER BY accepted_us DESC LIMIT $limit;

-- name: made_by
SELECT call::VARCHAR AS call, parent::VARCHAR AS parent FROM store.calls_since($begun)
WHERE parent IN (SELECT unnest($calls::UUID[])) AND call >= $first::UUID AND accepted_us <= $as_of
  AND ($team IS NULL OR team = $team OR owner = $team)
ORDER BY accepted_us LIMIT $limit;

-- name: given_by
-- Calls whose results others were given, as `made_by` tells of those that others had made; and the other way round.
SELECT cached_from::VARCHAR AS call, call::VARCHAR AS parent FROM store.calls_since($begun)
WHERE call BETWEEN $first::UUID AND $last::UUID AND call IN (SELECT unnest($calls::UUID[]))
  AND cached_from IS NOT NULL AND accepted_us <= $as_of;

-- name: given_to
SELECT cached_from::VARCHAR AS call, call::VARCHAR AS parent FROM store.calls_since($begun)
WHERE cached_from IN (SELECT unnest($calls::UUID[])) AND call >= $first::UUID AND accepted_us <= $as_of
  AND ($team IS NULL OR team = $team OR owner = $team)
ORDER BY accepted_us LIMIT $limit;

-- name: makers_of
SELECT call::VARCHAR AS call, parent::VARCHAR AS parent FROM store.calls_since($begun)
WHERE call BETWEEN $first::UUID AND $last::UUID AND call IN (SELECT unnest($calls::UUID[])) AND parent IS NOT NULL;

-- name: writers
-- Of artifacts in versions that are known: who wrote just that, else who wrote it last in a version that is not known,
-- which may have been that. What tells one touch from another is read of all rows, the rest of those that are found.
WITH asked AS (
    SELECT unnest($numbers::INTEGER[]) AS number, unnest($artifacts::UBIGINT[]) AS artifact,
           unnest($uris::VARCHAR[]) AS uri, unnest($times::BIGINT[]) AS at_us, unnest($calls::UUID[]) AS reader
), wanted AS (
    SELECT number, artifact, at_us, reader, true AS is_same FROM asked
    UNION ALL
    SELECT number, hash(uri, ''), at_us, reader, false FROM asked
), near AS MATERIALIZED (
    SELECT id, artifact, at_us FROM store.touches_since(0)
    WHERE artifact IN (SELECT artifact FROM wanted) AND mode = 'write'
), found AS MATERIALIZED (
    SELECT n.id, n.artifact, n.at_us, t.call, t.how, t.columns, t.is_certain
    FROM near n JOIN store.touches_since(0) t ON t.id = n.id
    WHERE t.call IS NOT NULL AND ($team IS NULL OR t.team = $team OR t.owner = $team)
)
SELECT r.number, w.artifact, w.call::VARCHAR AS call, w.how, w.columns, w.is_certain AND r.is_same AS is_certain
FROM wanted r JOIN found w
  ON w.artifact = r.artifact AND w.at_us <= r.at_us AND w.call IS DISTINCT FROM r.reader
QUALIFY row_number() OVER (PARTITION BY r.number ORDER BY r.is_same DESC, w.at_us DESC, w.call DESC) = 1;

-- name: last_writers
-- Of artifacts in versions that are not known: who wrote them last, in whatever version.
WITH asked AS (
    SELECT unnest($numbers::INTEGER[]) AS number, unnest($uris::VARCHAR[]) AS uri, unnest($times::BIGINT[]) AS at_us,
           unnest($calls::UUID[]) AS reader
), found AS MATERIALIZED (
    SELECT * FROM store.touches_since(0)
    WHERE uri IN (SELECT uri FROM asked) AND mode = 'write' AND call IS NOT NULL
      AND ($team IS NULL OR team = $team OR owner = $team)
)
SELECT r.number, w.artifact, w.call::VARCHAR AS call, w.how, w.columns, false AS is_certain
FROM asked r JOIN found w ON w.uri = r.uri AND w.at_us <= r.at_us AND w.call IS DISTINCT FROM r.reader
QUALIFY row_number() OVER (PARTITION BY r.number ORDER BY w.at_us DESC, w.call DESC) = 1;

-- name: rivals
-- Calls that may not have written alone: another that wrote the same had begun by then, and was not done before.
WITH asked AS (
    SELECT unnest($calls::UUID[]) AS call, unnest($uris::VARCHAR[]) AS uri
), writes AS MATERIALIZED (
    SELECT uri, call, at_us FROM store.touches_since(0)
    WHERE uri IN (SELECT uri FROM asked) AND mode = 'write' AND call IS NOT NULL
), shared AS MATERIALIZED (
    SELECT w.uri, w.call, w.at_us, coalesce(c.started_us, c.accepted_us) AS begun_us
    FROM writes w JOIN store.calls_since(0) c ON c.call = w.call
    WHERE w.uri IN (SELECT uri FROM writes GROUP BY uri HAVING min(call) <> max(call))
)
SELECT DISTINCT a.call::VARCHAR AS call, a.uri
FROM asked a
JOIN shared one ON one.call = a.call AND one.uri = a.uri
JOIN shared other ON other.uri = a.uri AND other.call <> a.call
  AND other.begun_us <= one.at_us AND one.begun_us <= other.at_us;

-- name: readers
-- Of artifacts in versions that are known, $uris of them all; reads in a version that is not known too, whatever it was.
WITH ids AS MATERIALIZED (
    SELECT id FROM store.touches_since(0) WHERE at_us <= $as_of AND artifact IN (
        SELECT unnest($artifacts::UBIGINT[]) UNION ALL SELECT hash(uri, '') FROM unnest($uris::VARCHAR[]) AS u(uri)
    )
), near AS MATERIALIZED (
    SELECT t.* FROM ids JOIN store.touches_since(0) t ON t.id = ids.id
), reads AS (
    SELECT row_number() OVER () AS number, * FROM near
    WHERE mode = 'read' AND (
        $team IS NULL OR team = $team OR owner = $team
        OR executor IN (SELECT executor FROM store.calls_since(0) WHERE team = $team)
    )
), read_of AS (
    SELECT r.*, w.call AS writer
    FROM reads r LEFT JOIN near w
      ON w.mode = 'write' AND w.artifact = r.artifact AND w.at_us <= r.at_us AND w.call IS DISTINCT FROM r.call
    QUALIFY row_number() OVER (PARTITION BY r.number ORDER BY w.at_us DESC NULLS LAST, w.call DESC) = 1
)
SELECT call::VARCHAR AS call, executor, artifact, uri, artifact_version, at_us, how, "columns", is_certain
FROM read_of LEFT JOIN (
    SELECT unnest($artifacts::UBIGINT[]) AS artifact, unnest($calls::UUID[]) AS writer
) f USING (artifact)
WHERE f.writer IS NULL OR f.writer = read_of.writer
ORDER BY at_us DESC LIMIT $limit;

-- name: reads_of
-- Reads in whatever version.
SELECT call::VARCHAR AS call, executor, artifact, uri, artifact_version, at_us, how, "columns", is_certain
FROM store.touches_since(0)
WHERE uri IN (SELECT unnest($uris::VARCHAR[])) AND mode = 'read' AND at_us <= $as_of AND (
    $team IS NULL OR team = $team OR owner = $team
    OR executor IN (SELECT executor FROM store.calls_since(0) WHERE team = $team)
)
ORDER BY at_us DESC LIMIT $limit;

-- name: newest
-- The version of an artifact that was touched last; by its content under any name, where this name is not known.
SELECT artifact, uri, artifact_version, max(bytes) AS bytes, max(at_us) AS at_us
FROM store.touches_since(0)
WHERE at_us <= $as_of AND ($team IS NULL OR team = $team OR owner = $team) AND (
    (uri = $uri AND ($version IS NULL OR artifact_version = $version))
    OR (starts_with($version, 'sha256:') AND artifact_version = $version)
)
GROUP BY artifact, uri, artifact_version
ORDER BY uri = $uri DESC, max(at_us) DESC LIMIT 1;

-- name: version_of
SELECT v.team || '/' || v.name AS function, v.version, v.provenance ->> 'git_commit' AS commit,
       (v.provenance ->> 'git_dirty')::BOOLEAN AS is_dirty, a.alias
FROM store.versions v
LEFT JOIN (
    SELECT team, name, alias, arg_max(version, revision) AS version FROM store.alias_moves
    WHERE moved_us <= $as_of GROUP BY team, name, alias
) a ON a.team = v.team AND a.name = v.name AND a.version = v.version
WHERE v.team = $owner AND v.name = $name
  AND (v.version = $number OR ($number IS NULL AND a.alias = $alias))
  AND ($team IS NULL OR v.team = $team OR v.team || '/' || v.name NOT IN (
      SELECT team || '/' || name FROM store.closed
      WHERE (team, name) NOT IN (SELECT (team, name) FROM store.grants WHERE grantee = $team)
  ))
ORDER BY a.alias = $alias DESC NULLS LAST, a.alias = 'live', a.alias LIMIT 1;

-- name: touches_of_version
SELECT artifact, uri, artifact_version, max(bytes) AS bytes, max(at_us) AS at_us, any_value(how) AS how,
       any_value("columns") AS "columns", bool_and(is_certain) AS is_certain, max(call)::VARCHAR AS call
FROM store.touches_since(0)
WHERE function = $function AND version = $number AND mode = $mode AND at_us <= $as_of
  AND ($team IS NULL OR team = $team OR owner = $team)
GROUP BY artifact, uri, artifact_version ORDER BY max(at_us) DESC LIMIT $limit;
