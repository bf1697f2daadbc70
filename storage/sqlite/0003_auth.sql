-- Credentials, sealed outside of the database, and what the server itself remembers.

CREATE TABLE credential (
    account INTEGER PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    sealed  BLOB    NOT NULL,
    changed INTEGER NOT NULL
) STRICT;

CREATE TABLE device (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    account   INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    label     TEXT    NOT NULL,
    created   INTEGER NOT NULL,
    last_used INTEGER,
    sealed    BLOB    NOT NULL
) STRICT;

CREATE INDEX device_account ON device (account);

-- Tokens by their SHA-256.
CREATE TABLE token (
    hash      BLOB    PRIMARY KEY,
    -- 1: browser session, 2: bearer, 3: setup link.
    kind      INTEGER NOT NULL,
    account   INTEGER REFERENCES account ON DELETE CASCADE,
    label     TEXT    NOT NULL,
    created   INTEGER NOT NULL,
    expires   INTEGER NOT NULL,
    last_used INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX token_account ON token (account);
CREATE INDEX token_expires ON token (expires);

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
