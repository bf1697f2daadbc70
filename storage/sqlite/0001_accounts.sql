-- Accounts and what belongs to the person. Times are milliseconds since 1970.

CREATE TABLE account (
    -- Never used again: a folder or a token of a removed account never meets its successor.
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    address        TEXT    NOT NULL UNIQUE,
    is_admin       INTEGER NOT NULL,
    disabled       INTEGER NOT NULL DEFAULT 0,
    created        INTEGER NOT NULL,
    preferences    TEXT    NOT NULL DEFAULT '{}',
    roster_version INTEGER NOT NULL DEFAULT 0,
    -- Tombstones of this version and earlier may be missing.
    roster_floor   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE roster (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    address TEXT    NOT NULL,
    version INTEGER NOT NULL,
    name    TEXT,
    -- JSON array of texts.
    groups  TEXT    NOT NULL,
    -- 1: to, 2: from, 4: ask, 8: approved.
    state   INTEGER NOT NULL,
    PRIMARY KEY (account, address)
) STRICT, WITHOUT ROWID;

-- Contacts that were removed.
CREATE TABLE roster_removed (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    address TEXT    NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (account, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE contact_request (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    sender  TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    -- A versioned record.
    request BLOB    NOT NULL,
    PRIMARY KEY (account, sender)
) STRICT, WITHOUT ROWID;
