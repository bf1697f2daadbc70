-- Who asked to watch an account and has no answer yet: what its owner is told when she comes back.

CREATE TABLE waiting_watcher (
    account  INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    watcher  TEXT    NOT NULL,
    -- When he is forgotten, in milliseconds since 1970.
    until    INTEGER NOT NULL,
    -- The contact request of the same sender is forgotten with it.
    is_alone INTEGER NOT NULL,
    -- A versioned record.
    entry    BLOB    NOT NULL,
    PRIMARY KEY (account, watcher)
) STRICT, WITHOUT ROWID;

CREATE INDEX waiting_watcher_until ON waiting_watcher (until);
