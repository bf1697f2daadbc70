//! Everything that has access to an account, as one list for its owner: programs, passwords of devices, browsers
//! that stay logged in, tokens of scripts, and whoever is connected without being any of these.

use std::fmt;

use super::{Admin, AdminError};
use crate::{
    account::{Reply, Request, SessionKind, SessionView},
    auth::{KnownClient, TokenKind, TokenRecord},
    formats::hex,
    signal::{Address, Timestamp},
};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub id: AccessId,
    /// What program it is, as it says itself.
    pub software: Option<String>,
    /// What the owner or the program calls it.
    pub name: Option<String>,
    pub first_seen: Timestamp,
    pub last_seen: Option<Timestamp>,
    /// A session of it is open, or its stream can still be resumed. Of browsers it is not known.
    pub is_connected: bool,
    /// It knows the account's own password: only a new one shuts it out for good.
    pub knows_password: bool,
    /// It has a token to log in again.
    pub has_token: bool,
}

/// Names one access of an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AccessId {
    /// A program that says which installation it is.
    Client(i64),
    /// The password of a device.
    Device(i64),
    /// A browser's session, by the hash of its token.
    Browser([u8; 32]),
    /// A program's access to the web interface, by the hash of its token.
    Script([u8; 32]),
    /// A session of who does not say which installation it is, by its name.
    Session(String),
}

/// What became of a wish to shut one out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    Done,
    /// It knows the password, so that it could come back at once. Nothing was done.
    KnowsPassword,
    NotFound,
}

/// What is shut out of what knows the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// Nothing, since it could come back at once.
    ForGood,
    /// Its sessions and tokens, so that it has to ask for the password.
    ForNow,
}

impl Admin {
    /// All of them: programs first, latest seen first.
    ///
    /// # Errors
    /// There is no such account, or the store's.
    pub async fn accesses(&self, address: &Address) -> Result<Vec<Access>, AdminError> {
        let Reply::Summary(summary) = self.accounts.ask(address, Request::Summary).await? else {
            return Ok(Vec::new());
        };
        let sessions = &summary.sessions;
        let clients = self.authenticator.clients(address).await?;
        let devices = self.authenticator.devices(address).await?;
        let tokens = self.authenticator.tokens(address).await?;
        let clients = clients.into_iter().map(|client| of_client(client, sessions));
        let devices = devices.into_iter().map(|device| Access {
            is_connected: sessions.iter().any(|it| it.spec.device == Some(device.id)),
            name: Some(device.label),
            last_seen: device.last_used,
            ..Access::new(AccessId::Device(device.id), device.created)
        });
        let unnamed = sessions.iter().filter(|session| is_unnamed(session)).map(of_session);
        Ok(clients.chain(devices).chain(unnamed).chain(tokens.into_iter().filter_map(of_token)).collect())
    }

    /// Shuts one out: it ends with its sessions and its tokens.
    ///
    /// # Errors
    /// There is no such account, or the store's.
    pub async fn revoke(
        &self,
        address: &Address,
        id: &AccessId,
        thoroughness: Thoroughness,
    ) -> Result<Revoked, AdminError> {
        let all = self.accesses(address).await?;
        let Some(access) = all.iter().find(|access| access.id == *id) else { return Ok(Revoked::NotFound) };
        if access.knows_password && thoroughness == Thoroughness::ForGood {
            return Ok(Revoked::KnowsPassword);
        }
        let removed = match id {
            AccessId::Client(id) => self.authenticator.remove_client(address, *id).await?,
            AccessId::Device(id) => self.authenticator.remove_device(address, *id).await?,
            AccessId::Browser(hash) | AccessId::Script(hash) => {
                self.authenticator.revoke_token_by_hash(address, hash).await?
            }
            AccessId::Session(name) => {
                let wanted =
                    super::Command::EndSessions { address: address.clone(), name: Some(name.clone()) };
                self.perform(wanted).await.map(|_| true)?
            }
        };
        Ok(if removed { Revoked::Done } else { Revoked::NotFound })
    }
}

impl Access {
    fn new(id: AccessId, first_seen: Timestamp) -> Self {
        Self {
            id,
            software: None,
            name: None,
            first_seen,
            last_seen: None,
            is_connected: false,
            knows_password: false,
            has_token: false,
        }
    }
}

fn of_client(client: KnownClient, sessions: &[SessionView]) -> Access {
    Access {
        is_connected: sessions.iter().any(|it| it.spec.client == Some(client.id)),
        software: client.software,
        name: client.name,
        last_seen: Some(client.last_seen),
        knows_password: client.knows_password,
        has_token: client.has_token,
        ..Access::new(AccessId::Client(client.id), client.first_seen)
    }
}

/// Whether no other entry stands for it.
fn is_unnamed(session: &SessionView) -> bool {
    let spec = &session.spec;
    let is_program = matches!(spec.kind, SessionKind::Client | SessionKind::Device);
    is_program && spec.client.is_none() && spec.device.is_none()
}

fn of_session(session: &SessionView) -> Access {
    let name = session.spec.resource.as_str().to_owned();
    Access {
        is_connected: true,
        name: Some(name.clone()),
        last_seen: Some(session.spec.since),
        knows_password: true,
        ..Access::new(AccessId::Session(name), session.spec.since)
    }
}

fn of_token(token: TokenRecord) -> Option<Access> {
    let id = match token.kind {
        TokenKind::Session => AccessId::Browser(token.hash),
        TokenKind::Bearer => AccessId::Script(token.hash),
        TokenKind::Setup | TokenKind::Invitation => return None,
    };
    Some(Access { name: Some(token.label), last_seen: token.last_used, ..Access::new(id, token.created) })
}

impl fmt::Display for AccessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(id) => write!(f, "client-{id}"),
            Self::Device(id) => write!(f, "device-{id}"),
            Self::Browser(hash) => write!(f, "browser-{}", hex::print(hash)),
            Self::Script(hash) => write!(f, "script-{}", hex::print(hash)),
            Self::Session(name) => write!(f, "session-{name}"),
        }
    }
}

impl AccessId {
    /// What kind it is, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Device(_) => "device",
            Self::Browser(_) => "browser",
            Self::Script(_) => "script",
            Self::Session(_) => "session",
        }
    }

    /// Reads what was printed; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('-')?;
        match kind {
            "client" => rest.parse().ok().map(Self::Client),
            "device" => rest.parse().ok().map(Self::Device),
            "browser" => hex::parse(rest).map(Self::Browser),
            "script" => hex::parse(rest).map(Self::Script),
            "session" => Some(Self::Session(rest.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for id in [
            AccessId::Client(7),
            AccessId::Device(-1),
            AccessId::Browser([0xa5; 32]),
            AccessId::Script([0; 32]),
            AccessId::Session("a-b/c".to_owned()),
        ] {
            assert_eq!(AccessId::parse(&id.to_string()), Some(id));
        }
        for text in ["", "client", "client-", "client-x", "browser-a5", "script-zz", "other-1"] {
            assert_eq!(AccessId::parse(text), None, "{text}");
        }
    }
}
