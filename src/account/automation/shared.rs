//! The rules that administrators set for a domain or the whole server: kept by the store, asked at once.

use std::sync::PoisonError;

use tracing::error;

use super::{RuleList, Scopes, SharedRules};
use crate::{
    account::{Accounts, Input, mailbox::Mail, shell::Inner},
    signal::{Automation, AutomationLimits, Reason, Reject},
    storage::StoreError,
};

impl Accounts {
    /// Reads the rules of the server and its domains, and has those accounts woken whose rules wait to be asked. To
    /// be done before anybody is let in.
    ///
    /// # Errors
    /// What the store says. Rules that cannot be read are no reason to take signals without them.
    pub async fn load_rules(&self) -> Result<(), StoreError> {
        let inner = self.inner();
        let read = move || {
            let mut scopes = Scopes { server: read(&inner, &SharedRules::Server)?, ..Scopes::default() };
            for domain in inner.bus.domains() {
                let list = read(&inner, &SharedRules::Domain(domain.domain().into()))?;
                scopes.domains.insert(domain.domain().into(), list);
            }
            inner.shared.automation.store(scopes.into());
            inner.store.late_accounts()
        };
        let late = tokio::task::spawn_blocking(read).await.unwrap_or(Err(StoreError::Closed))?;
        for (account, _) in late {
            // It stays in the memory until its time has come.
            self.inner().post_to(&account, Mail::Input(Input::Tick));
        }
        Ok(())
    }

    /// The rules of the server, or of a domain.
    #[must_use]
    pub fn shared_rules(&self, which: &SharedRules) -> Automation {
        let inner = self.inner();
        let scopes = inner.shared.automation.load();
        let list = match which {
            SharedRules::Server => Some(&scopes.server),
            SharedRules::Domain(domain) => scopes.domains.get(domain),
        };
        list.map(|list| list.rules.clone()).unwrap_or_default()
    }

    /// Sets the rules of the server, or of a domain. Once this returns they are durable; signals meet them
    /// from now on.
    ///
    /// # Errors
    /// [`Reason::NotAcceptable`] with what is wrong with them, [`Reason::NotFound`] where the domain is not
    /// served here, [`Reason::Internal`] where they cannot be stored.
    pub async fn set_shared_rules(&self, which: SharedRules, rules: Automation) -> Result<(), Reject> {
        rules
            .check(&AutomationLimits::default())
            .map_err(|error| Reject::with_text(Reason::NotAcceptable, &error.to_string()))?;
        if matches!(&which, SharedRules::Domain(domain) if !self.serves(domain)) {
            return Err(Reject::with_text(Reason::NotFound, "this domain is not served here"));
        }
        let inner = self.inner();
        match tokio::task::spawn_blocking(move || write(&inner, &which, rules)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => {
                error!(%fault, "automated rules cannot be stored");
                Err(Reason::Internal.into())
            }
            Err(_) => Err(Reason::Internal.into()),
        }
    }
}

fn read(inner: &Inner, which: &SharedRules) -> Result<RuleList, StoreError> {
    let Some(bytes) = inner.store.setting(&name(which))? else { return Ok(RuleList::default()) };
    let rules = serde_json::from_slice(&bytes).map_err(|_| StoreError::Corrupt("the automated rules"))?;
    Ok(RuleList::new(rules))
}

/// One change at a time, so that what is stored last is what is asked.
fn write(inner: &Inner, which: &SharedRules, rules: Automation) -> Result<(), StoreError> {
    let _turn = inner.rules_turn.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = serde_json::to_vec(&rules).map_err(|error| StoreError::Database(error.to_string()))?;
    inner.store.set_setting(&name(which), bytes)?;
    let mut scopes = inner.shared.automation.load().as_ref().clone();
    match which {
        SharedRules::Server => scopes.server = RuleList::new(rules),
        SharedRules::Domain(domain) => drop(scopes.domains.insert(domain.clone(), RuleList::new(rules))),
    }
    inner.shared.automation.store(scopes.into());
    Ok(())
}

fn name(which: &SharedRules) -> String {
    match which {
        SharedRules::Server => "automation.server".to_owned(),
        SharedRules::Domain(domain) => format!("automation.domain.{domain}"),
    }
}
