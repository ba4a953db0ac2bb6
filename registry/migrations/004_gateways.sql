-- Gateways on other machines, and the tokens with which they join.
CREATE TABLE IF NOT EXISTS store.gateways (
    gateway VARCHAR PRIMARY KEY,
    key BLOB NOT NULL,
    address VARCHAR NOT NULL,  -- where executors dial it; '' until it has come up
    joined_us BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS store.gateway_tokens (
    id VARCHAR PRIMARY KEY,
    secret BLOB NOT NULL,
    gateway VARCHAR NOT NULL,
    expires_us BIGINT NOT NULL
);
