//! Programs that log in to an account, by what they call their installation.

use rusqlite::{Row, params};

use crate::{
    signal::Timestamp,
    storage::{AccountKey, ClientRecord, StoreError},
};

use super::{Database, failed, value};

impl Database {
    pub(in crate::storage) fn client(
        &self,
        key: AccountKey,
        agent: &str,
    ) -> Result<Option<ClientRecord>, StoreError> {
        let found = self.all(BY_AGENT, params![key.0, agent], client)?;
        Ok(found.into_iter().next())
    }

    pub(in crate::storage) fn clients(&self, key: AccountKey) -> Result<Vec<ClientRecord>, StoreError> {
        self.all(BY_ACCOUNT, [key.0], client)
    }

    /// Keeps a client, without touching when it was first seen; forgets those that were not seen since `before`,
    /// and those of this account beyond `most`.
    pub(in crate::storage) fn put_client(
        &self,
        key: AccountKey,
        client: &ClientRecord,
        before: Timestamp,
        most: usize,
    ) -> Result<i64, StoreError> {
        self.run(
            "INSERT INTO client
                 (account, agent, software, name, first_seen, last_seen, device, knows_password, tokens)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (account, agent) DO UPDATE SET software = excluded.software, name = excluded.name,
                 last_seen = excluded.last_seen, device = excluded.device,
                 knows_password = excluded.knows_password, tokens = excluded.tokens",
            params![
                key.0,
                client.agent,
                client.software,
                client.name,
                client.first_seen.0,
                client.last_seen.0,
                client.device,
                client.knows_password,
                client.tokens
            ],
        )?;
        self.run("DELETE FROM client WHERE last_seen < ?1", [before.0])?;
        self.run(
            "DELETE FROM client WHERE account = ?1 AND id NOT IN
                 (SELECT id FROM client WHERE account = ?1 ORDER BY last_seen DESC, id DESC LIMIT ?2)",
            params![key.0, i64::try_from(most).unwrap_or(i64::MAX)],
        )?;
        let id = self.one(
            "SELECT id FROM client WHERE account = ?1 AND agent = ?2",
            params![key.0, client.agent],
            |row| row.get(0),
        )?;
        Ok(id.unwrap_or_default())
    }

    pub(in crate::storage) fn remove_client(&self, key: AccountKey, id: i64) -> Result<bool, StoreError> {
        self.run("DELETE FROM client WHERE account = ?1 AND id = ?2", params![key.0, id]).map(|n| n > 0)
    }

    /// The password is another one now: whoever knew the old one does not know it, and tokens end.
    pub(in crate::storage) fn distrust_clients(&self, key: AccountKey) -> Result<(), StoreError> {
        self.run("UPDATE client SET knows_password = FALSE, tokens = NULL WHERE account = ?1", [key.0])
            .map(|_| ())
    }
}

fn client(row: &Row<'_>) -> Result<ClientRecord, StoreError> {
    Ok(ClientRecord {
        id: value(row, 0)?,
        agent: value(row, 1)?,
        software: value(row, 2)?,
        name: value(row, 3)?,
        first_seen: Timestamp(value(row, 4)?),
        last_seen: Timestamp(value(row, 5)?),
        device: value(row, 6)?,
        knows_password: value(row, 7)?,
        tokens: row.get(8).map_err(failed)?,
    })
}

const BY_AGENT: &str =
    "SELECT id, agent, software, name, first_seen, last_seen, device, knows_password, tokens
    FROM client WHERE account = ?1 AND agent = ?2";
const BY_ACCOUNT: &str =
    "SELECT id, agent, software, name, first_seen, last_seen, device, knows_password, tokens
    FROM client WHERE account = ?1 ORDER BY last_seen DESC, id DESC";
