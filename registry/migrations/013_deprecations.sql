-- Functions that are not to be called any more. `sunset_us` is when they may end, `successor` what to call instead, as
-- team/name.
CREATE TABLE store.deprecations (
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    deprecated_us BIGINT NOT NULL,
    deprecated_by VARCHAR NOT NULL,
    sunset_us BIGINT,
    successor VARCHAR,
    reason VARCHAR NOT NULL,
    PRIMARY KEY (team, name)
);
