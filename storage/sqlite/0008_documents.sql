-- Documents that an account keeps for its clients, byte for byte as they came, and whom its owner blocked.

-- The greatest version that a document of the account ever had.
ALTER TABLE account ADD COLUMN documents_version INTEGER NOT NULL DEFAULT 0;

CREATE TABLE document (
    account     INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    application TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    -- Of the bytes; a 64-bit number.
    hash        INTEGER NOT NULL,
    -- Milliseconds since 1970.
    changed     INTEGER NOT NULL,
    bytes       BLOB    NOT NULL,
    PRIMARY KEY (account, application, name)
) STRICT;

-- Who else has a document of that name.
CREATE INDEX document_name ON document (application, name, account);

CREATE TABLE blocked (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    -- Of an account, or a domain alone.
    address TEXT    NOT NULL,
    PRIMARY KEY (account, address)
) STRICT, WITHOUT ROWID;
