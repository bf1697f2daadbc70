-- Messages that automated rules of an account are to be asked about some time after they came.
CREATE TABLE late_message (
    account    INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    message_id BLOB    NOT NULL,
    -- Seconds after which rules want to be asked; each delay by itself.
    delay      INTEGER NOT NULL,
    -- When that is, in milliseconds since 1970.
    due        INTEGER NOT NULL,
    late       BLOB    NOT NULL,
    PRIMARY KEY (account, message_id, delay)
) STRICT, WITHOUT ROWID;

-- Programs on the web that are to be told something and were not told yet, as JSON, in the order in which they are
-- called. No number is used twice.
CREATE TABLE webhook (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    call    TEXT    NOT NULL
) STRICT;

CREATE INDEX webhook_account ON webhook (account);
