-- Messages come here from the journal, many at a time and sorted. Lines of the archive are short
-- and in the order of their key, so that a page holds many of them and neighbours are written
-- together; the messages themselves are appended, once for sender and receiver where both came
-- at the same time.

ALTER TABLE archive RENAME TO archive_before;
DROP INDEX archive_time;

CREATE TABLE archive_message (
    id      INTEGER PRIMARY KEY,
    -- How many lines of the archive hold it.
    lines   INTEGER NOT NULL,
    -- A versioned record.
    message BLOB    NOT NULL
) STRICT;

-- Rows of an account are removed with it by hand: whoever writes here knows that it exists.
CREATE TABLE archive (
    account    INTEGER NOT NULL,
    -- 16 bytes, big-endian: sorts by time.
    message_id BLOB    NOT NULL,
    peer       TEXT    NOT NULL,
    outgoing   INTEGER NOT NULL,
    -- Of archive_message.
    message    INTEGER NOT NULL,
    PRIMARY KEY (account, message_id, peer)
) STRICT, WITHOUT ROWID;

INSERT INTO archive_message (id, lines, message) SELECT id, 1, message FROM archive_before;
INSERT INTO archive (account, message_id, peer, outgoing, message)
    SELECT account, message_id, peer, outgoing, id FROM archive_before
    ORDER BY account, message_id, peer;

-- In which parts of the time an account has lines with a peer, so that a page of a conversation
-- need not read what others wrote in all the rest. An index of every line by its peer would write
-- a page of its own for nearly every line.
CREATE TABLE archive_peer (
    account INTEGER NOT NULL,
    peer    TEXT    NOT NULL,
    -- Milliseconds since 1970 by 2^28, which is three days.
    part    INTEGER NOT NULL,
    PRIMARY KEY (account, peer, part)
) STRICT, WITHOUT ROWID;

-- The first 48 bits of an id are its milliseconds, the first five hexadecimal digits its part.
INSERT OR IGNORE INTO archive_peer (account, peer, part)
    SELECT account, peer,
           instr('123456789ABCDEF', substr(hex(message_id), 1, 1)) * 65536 +
           instr('123456789ABCDEF', substr(hex(message_id), 2, 1)) * 4096 +
           instr('123456789ABCDEF', substr(hex(message_id), 3, 1)) * 256 +
           instr('123456789ABCDEF', substr(hex(message_id), 4, 1)) * 16 +
           instr('123456789ABCDEF', substr(hex(message_id), 5, 1)) * 1
    FROM archive;
DROP TABLE archive_before;

-- Messages that wait for the owner, in the order of their numbers.
CREATE TABLE offline (
    account    INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    message_id BLOB    NOT NULL,
    message    BLOB    NOT NULL,
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;
