-- Files that owners of accounts put here for others, and promises of them. Their bytes lie in the account's folder.

CREATE TABLE shared_file (
    -- Unguessable.
    name       TEXT    NOT NULL PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    title      TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    -- Milliseconds since 1970. A promise lapses then, a file goes.
    expires    INTEGER NOT NULL,
    is_whole   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX shared_file_account ON shared_file (account, size);
CREATE INDEX shared_file_expires ON shared_file (expires);
