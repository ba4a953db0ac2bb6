-- A partition's file may be a URL of an object store. Here are those that may be in a store and that nothing notes (yet):
-- each is noted before it is sent, and goes from here in the transaction that has it count.
CREATE TABLE IF NOT EXISTS store.leftovers (file VARCHAR PRIMARY KEY, noted_us BIGINT NOT NULL);

-- What reads the archive are macros now, which are told since when.
DROP VIEW IF EXISTS store.all_calls;
DROP VIEW IF EXISTS store.all_touches;
DROP VIEW IF EXISTS store.all_logs;
DROP VIEW IF EXISTS store.archived_calls;
DROP VIEW IF EXISTS store.archived_touches;
DROP VIEW IF EXISTS store.archived_logs;
