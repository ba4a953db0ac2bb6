-- What calls were called with, of functions that ask for that: a JSON object. `is_whole`: nothing in it was hidden or left
-- out, so that the call can be made again; `is_cut`: it was too long.
CREATE TABLE IF NOT EXISTS store.arguments (
    call UUID NOT NULL,
    at_us BIGINT NOT NULL,
    arguments VARCHAR NOT NULL,
    is_whole BOOLEAN NOT NULL,
    is_cut BOOLEAN NOT NULL
);
