-- Programs that log in to an account and say which installation they are.
CREATE TABLE client (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    account        INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    -- What the installation calls itself.
    agent          TEXT    NOT NULL,
    software       TEXT,
    name           TEXT,
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    -- The device password that it logged in with last; NULL for the account's own.
    device         INTEGER REFERENCES device ON DELETE CASCADE,
    -- It proved to know the account's own password.
    knows_password INTEGER NOT NULL,
    -- Tokens to log in again, sealed outside of the database.
    tokens         BLOB,
    UNIQUE (account, agent)
) STRICT;

CREATE INDEX client_seen ON client (last_seen);
CREATE INDEX client_device ON client (device);
