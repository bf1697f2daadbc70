//! Administration of accounts: what an operator can have done, in one neutral place.
//!
//! Used by the control socket of a running server, by the command line where no server runs, and by
//! whatever else lets an administrator in. Who may ask is decided there, not here.

mod access;
mod belongings;
mod everybody;
mod invitation;
mod report;
mod setting;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    account::{Accounts, Reply, Request},
    auth::{AuthError, Authenticator, TokenKind},
    signal::{Address, Reject, Timestamp},
    storage::{AccountSummary, Preferences, Store, StoreError},
};

use setting::Change;

pub use crate::storage::{Complained, Complaint, Report};
pub use access::{Access, AccessId, Revoked, Thoroughness};
pub use belongings::{Belongings, Kept, Told};
pub use invitation::{Newcomers, Offer, uri_of};
pub use setting::SETTINGS;

/// Does what an operator asks. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    accounts: Accounts,
    authenticator: Authenticator,
    store: Store,
}

/// One thing to do. Has no `Debug`: it may hold a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    Add {
        address: Address,
        password: String,
        admin: bool,
    },
    SetPassword {
        address: Address,
        password: String,
    },
    /// Up to [`PAGE`] accounts, those after `after`.
    List {
        after: Option<Address>,
    },
    Show {
        address: Address,
    },
    Remove {
        address: Address,
    },
    /// Settings by name, each with its new value; see [`SETTINGS`].
    Set {
        address: Address,
        settings: Vec<(String, String)>,
    },
    AddDevice {
        address: Address,
        label: String,
    },
    Devices {
        address: Address,
    },
    RemoveDevice {
        address: Address,
        id: i64,
    },
    /// The sessions of that name, or all.
    EndSessions {
        address: Address,
        name: Option<String>,
    },
    /// To an account that is not there yet, or to any of a domain.
    Invite {
        place: Address,
    },
    /// What owners reported about people whom they blocked.
    Reports,
    /// Forget a report.
    RemoveReport {
        id: i64,
    },
    /// A message to everybody who is online.
    Announce {
        subject: Option<String>,
        text: String,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Answer {
    Done,
    Accounts {
        accounts: Vec<AccountSummary>,
        more: bool,
    },
    Account(Box<AccountView>),
    /// The only time that the password can be read.
    NewDevice {
        id: i64,
        label: String,
        password: String,
    },
    Devices {
        devices: Vec<DeviceView>,
    },
    /// The only time that the token can be read. The URI is for chat clients (XEP-0401).
    Invitation {
        token: String,
        uri: String,
    },
    /// Newest first.
    Reports {
        reports: Vec<Report>,
    },
    /// So many sessions, or users, were concerned.
    Count {
        count: usize,
    },
}

/// One account as an operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountView {
    pub account: AccountSummary,
    pub preferences: Preferences,
    pub contacts: usize,
    /// Messages wait for the next login.
    pub has_offline: bool,
    pub devices: Vec<DeviceView>,
    /// The names of the sessions that are connected now.
    pub sessions: Vec<String>,
}

/// A device password as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    pub id: i64,
    pub label: String,
    pub created: Timestamp,
    pub last_used: Option<Timestamp>,
}

/// Why it was not done, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    #[error("{domain} is not a domain of this server, which has {ours}")]
    Domain { domain: String, ours: String },
    #[error("there is no setting {0}; there are {known}", known = setting::names())]
    UnknownSetting(String),
    #[error("{name} cannot be {value}; it can be {choices}")]
    Value { name: String, value: String, choices: &'static str },
    #[error("an announcement has 1 to 10000 bytes")]
    Announcement,
    #[error("there is no such device")]
    NoSuchDevice,
    #[error("there is no such report")]
    NoSuchReport,
    #[error("the account refused: {0}")]
    Refused(Reject),
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl From<Reject> for AdminError {
    fn from(reject: Reject) -> Self {
        Self::Refused(reject)
    }
}

impl Admin {
    /// Administration of these accounts.
    #[must_use]
    pub fn new(accounts: Accounts, authenticator: Authenticator, store: Store) -> Self {
        Self { accounts, authenticator, store }
    }

    /// Does one thing.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn perform(&self, command: Command) -> Result<Answer, AdminError> {
        let auth = &self.authenticator;
        match command {
            Command::Add { address, password, admin } => {
                self.check_domain(&address)?;
                auth.create_account(&address, &password, admin).await?;
            }
            Command::SetPassword { address, password } => auth.set_password(&address, &password).await?,
            Command::List { after } => return self.list(after).await,
            Command::Show { address } => return self.show(address).await,
            Command::Remove { address } => auth.remove_account(&address).await?,
            Command::Set { address, settings } => self.set(&address, settings).await?,
            Command::AddDevice { address, label } => {
                let made = auth.add_device(&address, &label).await?;
                return Ok(Answer::NewDevice { id: made.id, label: made.label, password: made.password });
            }
            Command::Devices { address } => {
                return Ok(Answer::Devices { devices: self.devices(&address).await? });
            }
            Command::RemoveDevice { address, id } => {
                if !auth.remove_device(&address, id).await? {
                    return Err(AdminError::NoSuchDevice);
                }
            }
            Command::EndSessions { address, name } => return self.end_sessions(address, name).await,
            Command::Invite { place } => return self.invite(place, None).await,
            Command::Reports => return self.reports().await,
            Command::RemoveReport { id } => return self.remove_report(id).await,
            Command::Announce { subject, text } => return self.announce(subject.as_deref(), &text).await,
        }
        Ok(Answer::Done)
    }

    /// The token of a new link, good for a day, that makes the first administrator. `None` where
    /// there are accounts already.
    ///
    /// # Errors
    /// The store's.
    pub async fn setup_token(&self) -> Result<Option<String>, AdminError> {
        if !self.page(None, 1).await?.is_empty() {
            return Ok(None);
        }
        let token =
            self.authenticator.issue_token(TokenKind::Setup, None, "first administrator", DAY).await?;
        Ok(Some(token))
    }

    /// Whether this account is an administrator's.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_administrator(&self, address: &Address) -> Result<bool, AdminError> {
        let wanted = address.clone();
        let account = self.read(move |store| store.account(&wanted)).await?;
        Ok(account.is_some_and(|account| account.is_admin && !account.disabled))
    }

    async fn list(&self, after: Option<Address>) -> Result<Answer, AdminError> {
        let mut accounts = self.page(after, PAGE + 1).await?;
        let more = accounts.len() > PAGE;
        accounts.truncate(PAGE);
        Ok(Answer::Accounts { accounts, more })
    }

    async fn page(&self, after: Option<Address>, limit: usize) -> Result<Vec<AccountSummary>, AdminError> {
        self.read(move |store| store.list_accounts(after.as_ref(), limit)).await
    }

    async fn show(&self, address: Address) -> Result<Answer, AdminError> {
        let devices = self.devices(&address).await?;
        let wanted = address.clone();
        let read =
            self.read(move |store| Ok((store.account(&wanted)?, store.load_account(&wanted)?))).await?;
        let (Some(account), Some(record)) = read else { return Err(AuthError::NoSuchAccount.into()) };
        // A disabled account has no sessions and answers nothing.
        let sessions = match self.accounts.ask(&address, Request::Summary).await {
            Ok(Reply::Summary(summary)) => {
                summary.sessions.iter().map(|session| session.spec.resource.to_string()).collect()
            }
            _ => Vec::new(),
        };
        Ok(Answer::Account(Box::new(AccountView {
            account,
            preferences: record.preferences,
            contacts: record.roster.len(),
            has_offline: record.has_offline,
            devices,
            sessions,
        })))
    }

    async fn devices(&self, address: &Address) -> Result<Vec<DeviceView>, AdminError> {
        let devices = self.authenticator.devices(address).await?;
        Ok(devices
            .into_iter()
            .map(|device| DeviceView {
                id: device.id,
                label: device.label,
                created: device.created,
                last_used: device.last_used,
            })
            .collect())
    }

    /// Changes all settings, or none where one of them cannot be read.
    async fn set(&self, address: &Address, settings: Vec<(String, String)>) -> Result<(), AdminError> {
        let changes =
            settings.iter().map(|(name, value)| Change::parse(name, value)).collect::<Result<Vec<_>, _>>()?;
        for change in &changes {
            match change {
                Change::Admin(is_admin) => self.authenticator.set_admin(address, *is_admin).await?,
                Change::Disabled(false) => self.authenticator.set_disabled(address, false).await?,
                _ => {}
            }
        }
        if changes.iter().any(Change::is_preference) {
            // Says it well where it cannot be.
            self.preferences(address).await?;
            let apply = |mut preferences| -> Result<_, AdminError> {
                changes.iter().for_each(|change| change.apply(&mut preferences));
                Ok(preferences)
            };
            self.accounts.change_preferences(address, apply).await?;
        }
        // Last, because a disabled account takes no preferences.
        if changes.contains(&Change::Disabled(true)) {
            self.authenticator.set_disabled(address, true).await?;
        }
        Ok(())
    }

    async fn preferences(&self, address: &Address) -> Result<Preferences, AdminError> {
        match self.accounts.ask(address, Request::Preferences).await {
            Ok(Reply::Preferences(preferences)) => Ok(preferences),
            Ok(_) => Err(Reject::from(crate::signal::Reason::Internal).into()),
            Err(refused) if refused.reason == crate::signal::Reason::NotFound => {
                let wanted = address.clone();
                match self.read(move |store| store.account(&wanted)).await? {
                    Some(_) => {
                        Err(Reject::with_text(refused.reason, "it is disabled, set disabled=off first")
                            .into())
                    }
                    None => Err(AuthError::NoSuchAccount.into()),
                }
            }
            Err(refused) => Err(refused.into()),
        }
    }

    fn check_domain(&self, address: &Address) -> Result<(), AdminError> {
        if self.accounts.serves(address.domain()) {
            return Ok(());
        }
        let ours: Vec<_> = self.accounts.domains().iter().map(Address::as_str).collect();
        Err(AdminError::Domain { domain: address.domain().to_owned(), ours: ours.join(", ") })
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AdminError> {
        let store = self.store.clone();
        let outcome = tokio::task::spawn_blocking(move || read(&store)).await;
        // A reading that panicked, or a runtime that stops.
        let outcome = outcome.unwrap_or(Err(StoreError::Closed));
        outcome.map_err(|error| AuthError::from(error).into())
    }
}

/// Accounts on one page of a list.
pub const PAGE: usize = 500;
const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::{new_admin, new_rooms};
