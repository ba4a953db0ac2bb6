-- What calls cost in stretches of time that are over, worked out once: sharing out a machine's price among all that ran
-- on it takes long. `from_us` is where the stretch begins.
CREATE TABLE IF NOT EXISTS store.spent (
    from_us BIGINT NOT NULL,
    machine VARCHAR NOT NULL,
    began_us BIGINT NOT NULL,
    call UUID NOT NULL,
    usd DOUBLE NOT NULL
);

-- The stretches that it tells of. `stays` is a digest of the machines that were up in it, as it was known: where that is
-- known otherwise now, what was worked out counts no more.
CREATE TABLE IF NOT EXISTS store.spent_stretches (
    from_us BIGINT PRIMARY KEY,
    stays UBIGINT NOT NULL
);
