-- What names of artifacts lead to: a row for each move, the newest of a name is in force.
CREATE TABLE store.artifact_moves (
    team VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    alias VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    uri VARCHAR NOT NULL,
    artifact_version VARCHAR,
    moved_us BIGINT NOT NULL,
    moved_by VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    PRIMARY KEY (team, name, alias, revision)
);
