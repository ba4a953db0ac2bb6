-- The call whose result a call was given: state CACHED.
ALTER TABLE store.calls ADD COLUMN cached_from UUID;

-- Calls for which the cache had nothing: `arguments` are digests by name, as JSON; of an artifact that had changed `uri`
-- says which, `was` and `now` its versions. And whether their results were kept.
CREATE TABLE store.looked_up (
    call UUID NOT NULL,
    verdict VARCHAR NOT NULL,
    accept VARCHAR NOT NULL,
    arguments VARCHAR NOT NULL,
    uri VARCHAR,
    was VARCHAR,
    now VARCHAR
);

CREATE TABLE store.kept (
    call UUID NOT NULL,
    why_not VARCHAR
);
