//! Durable state: the database and per-account file storage.
