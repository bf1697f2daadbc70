-- What owners report to whoever runs the server about people whom they block.
CREATE TABLE report (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Who reports.
    account    INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    -- Who is reported.
    subject    TEXT    NOT NULL,
    -- In milliseconds since 1970.
    at         INTEGER NOT NULL,
    -- JSON: the reason, words, messages, and what may be done with it.
    complaint  TEXT    NOT NULL
) STRICT;

CREATE INDEX report_account ON report (account);
