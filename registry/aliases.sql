-- name: alias
SELECT * FROM store.current_aliases WHERE team = $team AND name = $name AND alias = $alias;

-- name: aliases
SELECT * FROM store.current_aliases ORDER BY team, name, alias;

-- name: add_move
INSERT INTO store.alias_moves BY NAME
SELECT $team AS team, $name AS name, $alias AS alias, $revision AS revision, $version AS version,
       -- After the end of the function before, whatever the clock says.
       greatest($now, (SELECT ended_us + 1 FROM store.ends WHERE team = $team AND name = $name)) AS moved_us,
       $actor AS moved_by, $reason AS reason, $phases AS phases, $destination AS destination, $undo AS undo;

-- name: revision
SELECT * FROM store.alias_moves WHERE team = $team AND name = $name AND alias = $alias AND revision = $revision;

-- name: last_revision
SELECT coalesce(max(revision), 0) AS revision FROM store.alias_moves
WHERE team = $team AND name = $name AND alias = $alias;

-- name: at
SELECT * FROM store.alias_moves m
WHERE team = $team AND name = $name AND alias = $alias AND moved_us <= $moment
  AND NOT EXISTS (SELECT 1 FROM store.deletions d
                  WHERE d.team = m.team AND d.name = m.name AND d.version IS NULL
                    AND d.deleted_us BETWEEN m.moved_us AND $moment)
ORDER BY revision DESC LIMIT 1;

-- name: history
SELECT * FROM store.alias_moves WHERE team = $team AND name = $name AND ($alias IS NULL OR alias = $alias)
ORDER BY moved_us DESC, revision DESC LIMIT $limit;

-- name: add_superseded_step
INSERT INTO store.canary_steps BY NAME
SELECT canary, step, list_extract(CAST(plan -> 'steps' AS DOUBLE[]), step + 1) AS share, revision, step_us AS began_us, $now AS ended_us,
       'SUPERSEDED' AS outcome, $why AS reason
FROM store.canaries WHERE team = $team AND name = $name AND alias = $alias AND state = 'RUNNING';

-- name: supersede
UPDATE store.canaries SET state = 'SUPERSEDED', ended_us = $now, reason = $why
WHERE team = $team AND name = $name AND alias = $alias AND state = 'RUNNING';

-- name: add_audit
INSERT INTO store.audit VALUES ($now, $actor, $action, $subject, $detail);
