-- Things of an account that are found by shelf and name: pictures, personal nodes and what is in them. The
-- store knows neither shelves nor contents.

CREATE TABLE shelved (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    shelf   TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    -- Their order on the shelf.
    number  INTEGER NOT NULL,
    content BLOB    NOT NULL,
    PRIMARY KEY (account, shelf, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX shelved_order ON shelved (account, shelf, number);
