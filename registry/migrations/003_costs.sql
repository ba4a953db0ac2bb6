-- Where alarms are told, one row at most; and those that were raised since: WAITING, then DELIVERED, or FAILED after the
-- last attempt.
CREATE TABLE IF NOT EXISTS store.alarm_webhook (
    url VARCHAR NOT NULL,
    set_us BIGINT NOT NULL,
    set_by VARCHAR NOT NULL
);

CREATE TABLE IF NOT EXISTS store.alarms (
    alarm UUID PRIMARY KEY,
    at_us BIGINT NOT NULL,
    cluster VARCHAR NOT NULL,
    worker_group VARCHAR NOT NULL,
    node VARCHAR NOT NULL,
    event VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    state VARCHAR NOT NULL DEFAULT 'WAITING',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_us BIGINT NOT NULL DEFAULT 0,
    problem VARCHAR
);

-- Each time that a machine was up, from when to when (NULL: it is), with its price and what it had: 0, not known.
CREATE TABLE IF NOT EXISTS store.stays (
    machine VARCHAR NOT NULL,
    began_us BIGINT NOT NULL,
    ended_us BIGINT,
    cluster VARCHAR NOT NULL,
    worker_group VARCHAR NOT NULL,
    node VARCHAR NOT NULL,
    usd_per_hour DOUBLE,
    cpus DOUBLE NOT NULL,
    gpus DOUBLE NOT NULL,
    PRIMARY KEY (machine, began_us)
);

-- The ids that Ray knew machines by, as in the calls that ran there, each of one stay.
CREATE TABLE IF NOT EXISTS store.rays (
    ray VARCHAR PRIMARY KEY,
    machine VARCHAR NOT NULL,
    began_us BIGINT NOT NULL
);
