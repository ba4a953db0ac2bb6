-- The tables. Times are microseconds of Unix time (`…_us`), UTC. Rows of alias_moves and audit are only ever added.

CREATE SCHEMA IF NOT EXISTS store;

CREATE TABLE IF NOT EXISTS store.bundles (
    digest VARCHAR PRIMARY KEY,
    bytes BIGINT NOT NULL,
    added_us BIGINT NOT NULL,
    added_by VARCHAR NOT NULL
);

CREATE TABLE IF NOT EXISTS store.functions (
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    scaling JSON NOT NULL,
    created_us BIGINT NOT NULL,
    created_by VARCHAR NOT NULL,
    PRIMARY KEY (team, name)
);

-- A version is PENDING until an executor has imported it; then it is ACTIVE until it is DELETED, or FAILED. A failed or
-- deleted one that is published again is PENDING again.
CREATE TABLE IF NOT EXISTS store.versions (
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    content_digest VARCHAR NOT NULL,
    bundle VARCHAR NOT NULL,
    entry JSON NOT NULL,
    spec JSON NOT NULL,
    syntax_digest VARCHAR NOT NULL,
    environment_digest VARCHAR NOT NULL,
    provenance JSON NOT NULL,
    state VARCHAR NOT NULL,
    failure VARCHAR,
    interface JSON,
    published_us BIGINT NOT NULL,
    published_by VARCHAR NOT NULL,
    PRIMARY KEY (team, name, version)
);

-- The locks of environments, for as long as there is the file: a version has the packages that it was deployed with.
CREATE TABLE IF NOT EXISTS store.environments (
    digest VARCHAR PRIMARY KEY,
    locked JSON NOT NULL,
    added_us BIGINT NOT NULL,
    added_by VARCHAR NOT NULL
);

-- Secrets, encrypted with a key that is not in this file.
CREATE TABLE IF NOT EXISTS store.secrets (
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    sealed BLOB NOT NULL,
    keys JSON NOT NULL,
    revision INTEGER NOT NULL,
    set_us BIGINT NOT NULL,
    set_by VARCHAR NOT NULL,
    PRIMARY KEY (team, name)
);

CREATE TABLE IF NOT EXISTS store.alias_moves (
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    alias VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    version INTEGER NOT NULL,
    moved_us BIGINT NOT NULL,
    moved_by VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    phases JSON,
    PRIMARY KEY (team, name, alias, revision)
);

-- One row for each deploy that has ended, only ever added. `revision` is that of the alias which it moved, or found
-- leading there already.
CREATE TABLE IF NOT EXISTS store.deploys (
    deploy VARCHAR NOT NULL,
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    alias VARCHAR,
    revision INTEGER,
    created BOOLEAN,
    outcome VARCHAR NOT NULL,
    code VARCHAR,
    failure VARCHAR,
    began_us BIGINT NOT NULL,
    ended_us BIGINT NOT NULL,
    deployed_by VARCHAR NOT NULL,
    message VARCHAR,
    phases JSON
);

CREATE TABLE IF NOT EXISTS store.tokens (
    id VARCHAR PRIMARY KEY,
    digest VARCHAR NOT NULL,
    principal VARCHAR NOT NULL,
    team VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    created_us BIGINT NOT NULL,
    created_by VARCHAR NOT NULL,
    expires_us BIGINT,
    revoked_us BIGINT
);

CREATE TABLE IF NOT EXISTS store.join_tokens (
    id VARCHAR PRIMARY KEY,
    secret BLOB NOT NULL,
    cluster VARCHAR NOT NULL,
    expires_us BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS store.sessions (
    cluster VARCHAR PRIMARY KEY,
    session_key BLOB NOT NULL,
    joined_us BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS store.audit (
    at_us BIGINT NOT NULL,
    actor VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    detail JSON
);

-- How far each segment of a call journal was loaded. A row outlives its file, so that one which comes back after a
-- power cut is not loaded twice.
CREATE TABLE IF NOT EXISTS store.segments (
    segment VARCHAR PRIMARY KEY,
    loaded_bytes BIGINT NOT NULL
);

-- Calls that have begun and not ended. The end moves a row to store.calls, which is only ever added to.
CREATE TABLE IF NOT EXISTS store.open_calls (
    call UUID NOT NULL,
    root UUID,
    parent UUID,
    target VARCHAR NOT NULL,
    alias VARCHAR,
    alias_revision INTEGER,
    function VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    code_digest VARCHAR NOT NULL,
    syntax_digest VARCHAR NOT NULL,
    environment_digest VARCHAR NOT NULL,
    shape VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    principal VARCHAR NOT NULL,
    team VARCHAR NOT NULL,
    gateway VARCHAR NOT NULL,
    context VARCHAR,
    idempotency_key VARCHAR,
    accepted_us BIGINT NOT NULL,
    bytes_in BIGINT NOT NULL,
    method VARCHAR
);

CREATE TABLE IF NOT EXISTS store.calls (
    call UUID NOT NULL,
    root UUID,
    parent UUID,
    target VARCHAR NOT NULL,
    alias VARCHAR,
    alias_revision INTEGER,
    function VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    code_digest VARCHAR NOT NULL,
    syntax_digest VARCHAR NOT NULL,
    environment_digest VARCHAR NOT NULL,
    shape VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    principal VARCHAR NOT NULL,
    team VARCHAR NOT NULL,
    gateway VARCHAR NOT NULL,
    context VARCHAR,
    idempotency_key VARCHAR,
    accepted_us BIGINT NOT NULL,
    bytes_in BIGINT NOT NULL,
    state VARCHAR NOT NULL,
    ended_us BIGINT NOT NULL,
    code VARCHAR,
    retryable BOOLEAN,
    started_us BIGINT,
    queue_us BIGINT,
    run_us BIGINT,
    cpu_us BIGINT,
    gpu_us BIGINT,
    bytes_out BIGINT,
    items BIGINT,
    cold VARCHAR,
    executor VARCHAR,
    replica VARCHAR,
    node VARCHAR,
    cluster VARCHAR,
    hardware VARCHAR,
    method VARCHAR,
    batch_size INTEGER
);

CREATE TABLE IF NOT EXISTS store.logs (
    call UUID NOT NULL,
    function VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    at_us BIGINT NOT NULL,
    stream VARCHAR NOT NULL,
    level VARCHAR,
    text VARCHAR NOT NULL
);

-- Calls that are run whatever happens. `gateway` is the life of a gateway that has it now; bodies are base64.
CREATE TABLE IF NOT EXISTS store.spawned (
    call UUID NOT NULL,
    root UUID,
    parent UUID,
    target VARCHAR NOT NULL,
    function VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    principal VARCHAR NOT NULL,
    team VARCHAR NOT NULL,
    gateway VARCHAR NOT NULL,
    accepted_us BIGINT NOT NULL,
    content_type VARCHAR NOT NULL,
    body VARCHAR NOT NULL,
    timeout_s DOUBLE NOT NULL,
    retries INTEGER NOT NULL,
    retry_delay_s DOUBLE NOT NULL,
    idempotency_key VARCHAR,
    method VARCHAR,
    priority INTEGER NOT NULL DEFAULT 0,
    webhook VARCHAR
);
-- What the caller said of where the call comes from: JSON.
ALTER TABLE store.spawned ADD COLUMN IF NOT EXISTS context VARCHAR;
-- The types that the caller takes as the result, as its Accept header says them; empty: any.
ALTER TABLE store.spawned ADD COLUMN IF NOT EXISTS accept VARCHAR DEFAULT '';

-- What they came to. The first counts, should one be settled twice.
CREATE TABLE IF NOT EXISTS store.settled (
    call UUID NOT NULL,
    state VARCHAR NOT NULL,
    ended_us BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    code VARCHAR,
    content_type VARCHAR,
    body VARCHAR,
    problem VARCHAR
);

-- Webhooks that are done with: DELIVERED, or FAILED after the last attempt.
CREATE TABLE IF NOT EXISTS store.told (
    call UUID NOT NULL,
    state VARCHAR NOT NULL,
    ended_us BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    problem VARCHAR
);

-- Artifacts that calls read and wrote; without a call, what an executor read as it began, which is all its calls'.
-- `artifact` is a hash of uri and artifact_version: by it the steps of lineage are found.
CREATE TABLE IF NOT EXISTS store.touches (
    call UUID,
    executor VARCHAR NOT NULL,
    function VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    team VARCHAR,
    owner VARCHAR NOT NULL,
    at_us BIGINT NOT NULL,
    mode VARCHAR NOT NULL,
    uri VARCHAR NOT NULL,
    artifact_version VARCHAR,
    bytes BIGINT,
    columns VARCHAR[],
    how VARCHAR NOT NULL,
    is_certain BOOLEAN NOT NULL,
    artifact UBIGINT NOT NULL
);

-- Which call has an idempotency key.
CREATE TABLE IF NOT EXISTS store.idempotency (
    team VARCHAR NOT NULL,
    function VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    call UUID NOT NULL,
    gateway VARCHAR NOT NULL,
    reserved_us BIGINT NOT NULL,
    PRIMARY KEY (team, function, key)
);

-- Canaries: RUNNING, then PROMOTED, RETURNED by their rules, ABORTED by somebody, or SUPERSEDED by another move of the
-- alias. `base`, of `base_revision`, is where it led before, `step` the index of the present step, which `revision` is of.
CREATE TABLE IF NOT EXISTS store.canaries (
    canary UUID PRIMARY KEY,
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    alias VARCHAR NOT NULL,
    plan JSON NOT NULL,
    base JSON NOT NULL,
    base_revision INTEGER NOT NULL,
    step INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    step_us BIGINT NOT NULL,
    state VARCHAR NOT NULL,
    began_us BIGINT NOT NULL,
    began_by VARCHAR NOT NULL,
    ended_us BIGINT,
    reason VARCHAR
);

-- Steps that are over, and the figures that decided: of the version, and of those that it is compared with.
CREATE TABLE IF NOT EXISTS store.canary_steps (
    canary UUID NOT NULL,
    step INTEGER NOT NULL,
    share DOUBLE NOT NULL,
    revision INTEGER NOT NULL,
    began_us BIGINT NOT NULL,
    ended_us BIGINT NOT NULL,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    calls BIGINT,
    errors BIGINT,
    p99_ms DOUBLE,
    base_calls BIGINT,
    base_errors BIGINT,
    base_p99_ms DOUBLE
);

-- What copies of calls came to, compared with the calls. Answers are kept where they are JSON and short.
CREATE TABLE IF NOT EXISTS store.compared (
    call UUID NOT NULL,
    shadow_of UUID NOT NULL,
    same BOOLEAN NOT NULL,
    answer VARCHAR,
    shadow_answer VARCHAR
);

-- Worker groups (`rayfaas.worker_group`), the keeper's nodes (`rayfaas.cloud.node`) by id, and what it decided.
CREATE TABLE IF NOT EXISTS store.worker_groups (
    cluster VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    spec JSON NOT NULL,
    changed_us BIGINT NOT NULL,
    changed_by VARCHAR NOT NULL,
    PRIMARY KEY (cluster, name)
);

CREATE TABLE IF NOT EXISTS store.machines (
    id VARCHAR PRIMARY KEY,
    state VARCHAR NOT NULL,
    record JSON NOT NULL
);

CREATE TABLE IF NOT EXISTS store.node_events (
    at_us BIGINT NOT NULL,
    cluster VARCHAR NOT NULL,
    worker_group VARCHAR NOT NULL,
    node VARCHAR NOT NULL,
    event VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    alarm BOOLEAN NOT NULL
);

-- Pauses between calls, in seconds, from which a keep-alive is learned.
CREATE TABLE IF NOT EXISTS store.pauses (
    cluster VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    pauses JSON NOT NULL,
    PRIMARY KEY (cluster, name)
);

-- How many of a group are up until a moment, whether anybody calls or not.
CREATE TABLE IF NOT EXISTS store.floors (
    cluster VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    until_us BIGINT NOT NULL,
    PRIMARY KEY (cluster, name)
);

-- Where an alias leads, where that is more than one version; and the revision that a rollback returns to, 0 for none.
ALTER TABLE store.alias_moves ADD COLUMN IF NOT EXISTS destination JSON;
ALTER TABLE store.alias_moves ADD COLUMN IF NOT EXISTS undo INTEGER;
-- The scaling that the last deploy asked for; `scaling` is the one in force. Older rows do not say: the same.
ALTER TABLE store.functions ADD COLUMN IF NOT EXISTS declared JSON;

-- Functions, and single versions, that somebody deleted. Their rows stay; a deploy brings them back.
CREATE TABLE IF NOT EXISTS store.deletions (
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version INTEGER,
    deleted_us BIGINT NOT NULL,
    deleted_by VARCHAR NOT NULL,
    reason VARCHAR NOT NULL
);

-- The call of which it is a copy for another version.
ALTER TABLE store.open_calls ADD COLUMN IF NOT EXISTS shadow_of UUID;
ALTER TABLE store.calls ADD COLUMN IF NOT EXISTS shadow_of UUID;

-- Columns that tables of an older file lack.
ALTER TABLE store.open_calls ADD COLUMN IF NOT EXISTS method VARCHAR;
ALTER TABLE store.calls ADD COLUMN IF NOT EXISTS method VARCHAR;
ALTER TABLE store.calls ADD COLUMN IF NOT EXISTS batch_size INTEGER;
ALTER TABLE store.spawned ADD COLUMN IF NOT EXISTS method VARCHAR;
ALTER TABLE store.spawned ADD COLUMN IF NOT EXISTS priority INTEGER DEFAULT 0;
ALTER TABLE store.spawned ADD COLUMN IF NOT EXISTS webhook VARCHAR;

-- Functions that are not for everybody, but for their own team and for the teams that have a grant.
CREATE TABLE IF NOT EXISTS store.closed (
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    closed_us BIGINT NOT NULL,
    closed_by VARCHAR NOT NULL,
    PRIMARY KEY (team, name)
);

CREATE TABLE IF NOT EXISTS store.grants (
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    grantee VARCHAR NOT NULL,
    granted_us BIGINT NOT NULL,
    granted_by VARCHAR NOT NULL,
    PRIMARY KEY (team, name, grantee)
);

-- What teams, principals and functions (`kind`) may use, NULL for no limit; and the weight of teams that wait in line.
CREATE TABLE IF NOT EXISTS store.limits (
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    calls_per_s DOUBLE,
    concurrency INTEGER,
    gpu_s_per_day DOUBLE,
    weight DOUBLE NOT NULL,
    set_us BIGINT NOT NULL,
    set_by VARCHAR NOT NULL,
    PRIMARY KEY (kind, name)
);
