-- Every message of every account. Rows are appended in the order of arrival, so that a commit
-- touches few pages. The one index gives the order of time, and holds the peer so that the
-- messages of one conversation are picked without reading the others: a second index by peer
-- would double the cost of every message.

CREATE TABLE archive (
    id         INTEGER PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    -- 16 bytes, big-endian: sorts by time.
    message_id BLOB    NOT NULL,
    peer       TEXT    NOT NULL,
    outgoing   INTEGER NOT NULL,
    -- A versioned record.
    message    BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX archive_time ON archive (account, message_id, peer);
