-- What the store is about, beside its records.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a sandbox. `document` is the whole record as JSON; the other columns are what queries need of it.
CREATE TABLE sandboxes (
    sandbox_id      TEXT PRIMARY KEY,
    is_open         INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    name            TEXT,
    consumer        TEXT    NOT NULL,
    idempotency_key TEXT,
    epoch           INTEGER NOT NULL,
    document        TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX sandboxes_open ON sandboxes (sandbox_id) WHERE is_open = 1;
CREATE UNIQUE INDEX sandboxes_open_name ON sandboxes (name) WHERE is_open = 1 AND name IS NOT NULL;
CREATE UNIQUE INDEX sandboxes_key ON sandboxes (idempotency_key) WHERE idempotency_key IS NOT NULL;

-- What happened, in order. `at` is milliseconds since 1970.
CREATE TABLE events (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    sandbox_id TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    data       TEXT    NOT NULL
) STRICT;

CREATE INDEX events_of_sandbox ON events (sandbox_id, sequence);

-- What backends hold with our labels and without a record.
CREATE TABLE sightings (
    extension  TEXT    NOT NULL,
    sandbox_id TEXT    NOT NULL,
    listed     TEXT    NOT NULL,
    first_seen INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    PRIMARY KEY (extension, sandbox_id)
) STRICT, WITHOUT ROWID;
