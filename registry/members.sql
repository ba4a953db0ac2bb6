-- name: members
SELECT team, principal, role, since_us, set_by FROM store.members WHERE role IS NOT NULL
ORDER BY since_us, team, principal;

-- name: member
SELECT team, principal, role, since_us, set_by FROM store.members
WHERE team = $team AND principal = $principal AND role IS NOT NULL;

-- name: other_admins
SELECT count(*) AS admins FROM store.members WHERE role = 'admin' AND (team, principal) <> ($team, $principal);

-- name: put
INSERT INTO store.members VALUES ($team, $principal, $role, $now, $actor)
ON CONFLICT DO UPDATE SET role = $role, set_by = $actor,
    since_us = CASE WHEN members.role IS NULL THEN $now ELSE members.since_us END;

-- name: remove
UPDATE store.members SET role = NULL, set_by = $actor
WHERE team = $team AND principal = $principal AND role IS NOT NULL RETURNING principal;
