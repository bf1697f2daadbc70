//! Commands about all users.

use super::{Admin, Field, Filled, Outcome};
use crate::admin::{self, Answer};
use crate::signal::Address;
use crate::xmpp::translate::Refusal;

/// Which users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    Disabled,
    Online,
}

/// Asks how many users are wanted.
pub(super) fn most() -> Vec<Field> {
    vec![Field::choice("max_items", "At most", &["25", "50", "100", "250", "500", "1000", "none"])]
}

/// Asks what is to be announced.
pub(super) fn announcement() -> Vec<Field> {
    vec![
        Field::new("subject", "text-single", "Subject"),
        Field::required("announcement", "text-multi", "What everybody is to read"),
    ]
}

/// XEP-0133 §4.13 and the like.
pub(super) async fn count(admin: Admin, field: &'static str, which: Which) -> Result<Outcome, Refusal> {
    let found = find(&admin, which, usize::MAX).await?.len();
    Ok(Outcome::Table(vec![Field::new(field, "text-single", "Users").with([found.to_string()])]))
}

/// XEP-0133 §4.19 and the like.
pub(super) async fn list(
    admin: Admin,
    form: Filled,
    field: &'static str,
    which: Which,
) -> Result<Outcome, Refusal> {
    let most = form.value("max_items").and_then(|most| most.parse().ok()).unwrap_or(MOST_LISTED);
    let found = find(&admin, which, most.min(MOST_LISTED)).await?;
    let names = found.iter().map(Address::to_string);
    Ok(Outcome::Table(vec![Field::new(field, "jid-multi", "Users").with(names)]))
}

/// XEP-0133 §4.23.
pub(super) async fn announce(admin: Admin, form: Filled) -> Result<Outcome, Refusal> {
    let text = form.values("announcement").collect::<Vec<_>>().join("\n");
    let subject = form.value("subject").map(str::to_owned);
    let Answer::Count { count } = admin.perform(admin::Command::Announce { subject, text }).await? else {
        return Err(Refusal::INTERNAL);
    };
    Ok(Outcome::Note(format!("Sent to {count} users.")))
}

async fn find(admin: &Admin, which: Which, most: usize) -> Result<Vec<Address>, Refusal> {
    if which == Which::Online {
        let mut online = admin.online().await;
        online.truncate(most);
        return Ok(online);
    }
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let Answer::Accounts { accounts, more } =
            admin.perform(admin::Command::List { after: after.take() }).await?
        else {
            return Err(Refusal::INTERNAL);
        };
        after = accounts.last().map(|account| account.address.clone());
        let wanted = accounts.into_iter().filter(|account| which == Which::All || account.disabled);
        found.extend(wanted.map(|account| account.address));
        if !more || found.len() >= most {
            found.truncate(most);
            return Ok(found);
        }
    }
}

/// Users in one answer: some hundred kilobytes.
const MOST_LISTED: usize = 5000;
