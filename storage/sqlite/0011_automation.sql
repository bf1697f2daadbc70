-- Automated rules of accounts, as JSON; those of domains and of the server are settings.

ALTER TABLE account ADD COLUMN automation TEXT;

-- Who got which automatic answer.
CREATE TABLE automatic_reply (
    account  INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    rule     TEXT    NOT NULL,
    receiver TEXT    NOT NULL,
    -- He gets it again no sooner, in milliseconds since 1970.
    until    INTEGER NOT NULL,
    PRIMARY KEY (account, rule, receiver)
) STRICT, WITHOUT ROWID;

-- Labels of messages.
CREATE TABLE message_mark (
    account    INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    message_id BLOB    NOT NULL,
    mark       TEXT    NOT NULL,
    PRIMARY KEY (account, message_id, mark)
) STRICT, WITHOUT ROWID;
