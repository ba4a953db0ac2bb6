-- name: add_bundle
INSERT INTO store.bundles VALUES ($digest, $bytes, $now, $actor) ON CONFLICT DO NOTHING;

-- name: add_bundle_sender
INSERT INTO store.bundle_senders VALUES ($digest, $actor) ON CONFLICT DO NOTHING;

-- name: bundle_users
SELECT principal FROM store.bundle_senders WHERE digest = $digest AND principal = $principal
UNION ALL SELECT added_by FROM store.bundles WHERE digest = $digest AND added_by = $principal
UNION ALL SELECT team FROM store.versions WHERE bundle = $digest AND list_contains($teams::VARCHAR[], team)
LIMIT 1;

-- name: add_function
INSERT INTO store.functions BY NAME
SELECT $team AS team, $name AS name, $scaling AS scaling, $scaling AS declared, $now AS created_us,
       $actor AS created_by
ON CONFLICT DO NOTHING;

-- name: set_scaling
UPDATE store.functions SET scaling = $scaling, declared = coalesce($declared, declared)
WHERE team = $team AND name = $name;

-- name: add_environment
INSERT INTO store.environments VALUES ($digest, $locked, $now, $actor) ON CONFLICT DO NOTHING;

-- name: same_content
SELECT * FROM store.locked_versions
WHERE team = $team AND name = $name AND content_digest = $content_digest AND environment_digest = $environment_digest
ORDER BY version DESC LIMIT 1;

-- name: add_version
INSERT INTO store.versions BY NAME
SELECT $team AS team, $name AS name,
       (SELECT coalesce(max(version), 0) + 1 FROM store.versions WHERE team = $team AND name = $name) AS version,
       $content_digest AS content_digest, $bundle AS bundle, $entry AS entry, $spec AS spec,
       $syntax_digest AS syntax_digest, $environment_digest AS environment_digest, $provenance AS provenance,
       'PENDING' AS state, $now AS published_us, $actor AS published_by;

-- name: set_pending
UPDATE store.versions SET state = 'PENDING', failure = NULL
WHERE team = $team AND name = $name AND version = $version AND state IN ('FAILED', 'DELETED');

-- name: set_active
UPDATE store.versions SET state = 'ACTIVE', failure = NULL, interface = coalesce($interface, interface)
WHERE team = $team AND name = $name AND version = $version;

-- name: set_failed
UPDATE store.versions SET state = 'FAILED', failure = $failure
WHERE team = $team AND name = $name AND version = $version AND state = 'PENDING';

-- name: fail_pending
UPDATE store.versions SET state = 'FAILED', failure = 'the controller ended during the deploy' WHERE state = 'PENDING';

-- name: active_versions
SELECT * FROM store.locked_versions WHERE state = 'ACTIVE' ORDER BY team, name, version;

-- name: functions
SELECT team, name, scaling, coalesce(declared, scaling) AS declared, created_us, created_by,
       deprecated_us, sunset_us, successor
FROM store.functions ANTI JOIN store.gone USING (team, name) LEFT JOIN store.deprecations USING (team, name)
ORDER BY team, name;

-- name: interfaces
SELECT team, name, alias, version, v.interface, d.deprecated_us IS NOT NULL AS is_deprecated, d.successor
FROM store.current_aliases JOIN store.versions v USING (team, name, version)
LEFT JOIN store.deprecations d USING (team, name)
WHERE v.state = 'ACTIVE' ORDER BY team, name, alias;

-- name: versions
SELECT * FROM store.locked_versions WHERE team = $team AND name = $name ORDER BY version DESC;

-- name: add_audit
INSERT INTO store.audit VALUES ($now, $actor, $action, $subject, $detail);
