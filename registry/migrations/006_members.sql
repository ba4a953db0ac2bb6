-- Who belongs to which team, and as what; without a role: not any more.
CREATE TABLE IF NOT EXISTS store.members (
    team VARCHAR NOT NULL,
    principal VARCHAR NOT NULL,
    role VARCHAR,
    since_us BIGINT NOT NULL,
    set_by VARCHAR NOT NULL,
    PRIMARY KEY (team, principal)
);

-- What of its principal's rights a token has (`rayfaas.roles.Scope`); NULL: the role in the team of its row.
ALTER TABLE store.tokens ADD COLUMN IF NOT EXISTS scope JSON;
ALTER TABLE store.tokens ADD COLUMN IF NOT EXISTS name VARCHAR;

INSERT INTO store.members
SELECT team, principal, arg_max(role, list_position(['viewer', 'invoker', 'deployer', 'admin'], role)),
       min(created_us), arg_min(created_by, created_us)
FROM store.tokens WHERE scope IS NULL AND revoked_us IS NULL
GROUP BY team, principal
ON CONFLICT DO NOTHING;

-- Aliases that only some may move: principals by name, and roles of teams as team:role.
CREATE TABLE IF NOT EXISTS store.protections (
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    alias VARCHAR NOT NULL,
    who VARCHAR[] NOT NULL,
    set_us BIGINT NOT NULL,
    set_by VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    PRIMARY KEY (team, name, alias)
);

-- Who has sent which bundle: only they, and the teams whose versions have it, may deploy it.
CREATE TABLE IF NOT EXISTS store.bundle_senders (
    digest VARCHAR NOT NULL,
    principal VARCHAR NOT NULL,
    PRIMARY KEY (digest, principal)
);
