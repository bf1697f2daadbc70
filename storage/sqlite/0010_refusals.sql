-- Who may write to the owner, as far as she set rules; a versioned record. And what her policy refused
-- lately.

ALTER TABLE account ADD COLUMN message_rules BLOB;

CREATE TABLE refusal (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    sender  TEXT    NOT NULL,
    -- JSON: what was refused, and what refused it.
    kind    TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    -- When it happened last, in milliseconds since 1970, and how often it did.
    at      INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (account, sender, kind, reason)
) STRICT, WITHOUT ROWID;
