-- When functions call themselves: `plan` is a rayfaas.schedule.Schedule, `next_us` the first time that has not come. Its
-- calls are those of `principal`.
CREATE TABLE store.schedules (
    id VARCHAR PRIMARY KEY,
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    schedule VARCHAR NOT NULL,
    alias VARCHAR NOT NULL,
    method VARCHAR,
    plan JSON NOT NULL,
    anchor_us BIGINT NOT NULL,
    next_us BIGINT NOT NULL,
    principal VARCHAR NOT NULL,
    set_us BIGINT NOT NULL,
    suspended_us BIGINT,
    suspended_by VARCHAR,
    suspended_for VARCHAR,
    last_due_us BIGINT,
    last_outcome VARCHAR,
    last_reason VARCHAR,
    last_call UUID
);

-- What came of each time: CALLED, SKIPPED, MISSED or REFUSED. None comes twice.
CREATE TABLE store.schedule_times (
    id VARCHAR NOT NULL,
    due_us BIGINT NOT NULL,
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    schedule VARCHAR NOT NULL,
    handled_us BIGINT NOT NULL,
    outcome VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    call UUID,
    PRIMARY KEY (id, due_us)
);
