//! Making an account from a chat client, as far as it takes more than the stream itself knows.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tracing::info;

use super::{door::Shared, translate::Refusal};
use crate::{
    admin::{AdminError, Command},
    auth::Invitation,
    net::{Gcra, Rate},
    signal::Address,
};

/// How many accounts were made lately without an invitation, by anybody.
#[derive(Default)]
pub(super) struct Pace(Mutex<Gcra>);

impl Pace {
    fn allows(&self, now: Instant) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(PACE, STEP, now).is_ok()
    }
}

impl Shared {
    /// What an invitation is to.
    pub(super) async fn find_invitation(&self, token: &str) -> Result<Invitation, Refusal> {
        self.authenticator.check_invitation(token).await.map_err(|fault| refusal_of_token(fault.into()))
    }

    /// Makes an account, by an invitation where there is a token.
    pub(super) async fn register(
        &self,
        token: Option<&str>,
        address: &Address,
        password: String,
    ) -> Result<(), Refusal> {
        let made = match token {
            Some(token) => {
                let joined = self.admin.join(token, address, &password).await;
                joined.map(|_| ()).map_err(|fault| refusal_of_token(fault.into()))
            }
            None if !self.pace.allows(Instant::now()) => Err(Refusal::new("wait", "resource-constraint")),
            None => {
                let command = Command::Add { address: address.clone(), password, admin: false };
                self.admin.perform(command).await.map(|_| ()).map_err(Refusal::from)
            }
        };
        if made.is_ok() {
            info!(account = %address, is_invited = token.is_some(), "account made");
        }
        made
    }
}

/// A token that is no good is not found (XEP-0445 §4).
fn refusal_of_token(fault: AdminError) -> Refusal {
    match fault {
        AdminError::Auth(crate::auth::AuthError::Wrong) => {
            let text = "the invitation is used up or too old";
            Refusal { text: Some(text.into()), ..Refusal::ITEM_NOT_FOUND }
        }
        fault => fault.into(),
    }
}

/// An account takes so many units of the rate that, in the long run, one is made in six minutes.
const STEP: u32 = 360;
/// Ten at once.
const PACE: Rate = Rate::new(1, 10 * STEP);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ten_accounts_are_made_at_once_and_then_one_in_six_minutes() {
        let pace = Pace::default();
        let now = Instant::now();
        assert_eq!((0..20).filter(|_| pace.allows(now)).count(), 10);
        assert!(!pace.allows(now + Duration::from_secs(359)));
        assert!(pace.allows(now + Duration::from_secs(360)));
    }
}
