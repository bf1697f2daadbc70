-- What a door finds again after a restart. The store knows neither the keys nor the values.

CREATE TABLE memory (
    room  TEXT NOT NULL,
    key   BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (room, key)
) STRICT, WITHOUT ROWID;
