-- Old rows of calls, logs and touches are in Parquet files: a row here for each. `kind` is the table that they were in.
CREATE TABLE store.partitions (
    file VARCHAR PRIMARY KEY,
    kind VARCHAR NOT NULL,
    from_us BIGINT NOT NULL,
    until_us BIGINT NOT NULL,
    number_of_rows BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    archived_us BIGINT NOT NULL
);

-- Lines are numbered in the order in which they were loaded. `next` outlives the lines.
CREATE TABLE store.log_numbers (next BIGINT NOT NULL);
INSERT INTO store.log_numbers SELECT coalesce(max(rowid) + 1, 0) FROM store.logs;
ALTER TABLE store.logs ADD COLUMN number BIGINT;
UPDATE store.logs SET number = rowid;
