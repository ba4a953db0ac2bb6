-- What calls cost in stretches of time that are over, with what is asked about it: to add that up no call is looked at.
-- `is_whole`: all of the call ran in this stretch, so it has no other row. It is worked out anew.
DROP TABLE store.spent;
DELETE FROM store.spent_stretches;
CREATE TABLE store.spent (
    from_us BIGINT NOT NULL,
    machine VARCHAR NOT NULL,
    began_us BIGINT NOT NULL,
    usd DOUBLE NOT NULL,
    is_whole BOOLEAN NOT NULL,
    call UUID NOT NULL,
    parent UUID,
    function VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    method VARCHAR,
    alias VARCHAR,
    caller VARCHAR NOT NULL,
    team VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    code VARCHAR,
    orchestrator VARCHAR,
    flow VARCHAR,
    flow_run VARCHAR,
    task VARCHAR,
    schedule VARCHAR,
    cluster VARCHAR NOT NULL,
    worker_group VARCHAR NOT NULL,
    node VARCHAR NOT NULL,
    ray_cluster VARCHAR,
    ray_node VARCHAR NOT NULL,
    hardware VARCHAR,
    shape VARCHAR NOT NULL,
    accepted_at TIMESTAMP NOT NULL,
    started_at TIMESTAMP NOT NULL
);
