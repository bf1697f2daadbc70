//! Commands about certain users.

use super::{Admin, Field, Filled, Outcome, account_in, accounts_in};
use crate::admin::{self, AccountView, Answer};
use crate::signal::{Address, Party};
use crate::xmpp::roster;
use crate::xmpp::translate::Refusal;

/// Asks for one user.
pub(super) fn one() -> Vec<Field> {
    vec![Field::required("accountjid", "jid-single", "The address of the user")]
}

/// Asks for users.
pub(super) fn several() -> Vec<Field> {
    vec![Field::required("accountjids", "jid-multi", "The addresses of the users")]
}

/// Asks for a user and a password.
pub(super) fn new_password() -> Vec<Field> {
    let mut fields = one();
    fields.push(Field::required("password", "text-private", "The new password"));
    fields
}

/// Asks for a user who is to be made.
pub(super) fn new_user() -> Vec<Field> {
    let mut fields = new_password();
    fields.push(Field::new("password-verify", "text-private", "The password once more"));
    fields
}

/// XEP-0133 §4.1.
pub(super) async fn add(admin: Admin, form: Filled) -> Result<Outcome, Refusal> {
    let address = account_in(&form, "accountjid")?;
    let password = form.value("password").unwrap_or_default().to_owned();
    if form.value("password-verify").is_some_and(|again| again != password) {
        let text = Some("the passwords differ".into());
        return Err(Refusal { text, ..Refusal::NOT_ACCEPTABLE });
    }
    let note = format!("{address} is there.");
    admin.perform(admin::Command::Add { address, password, admin: false }).await?;
    Ok(Outcome::Note(note))
}

/// XEP-0133 §4.2. Stops at the first that cannot be deleted.
pub(super) async fn delete(admin: Admin, form: Filled) -> Result<Outcome, Refusal> {
    let accounts = accounts_in(&form, "accountjids")?;
    for address in &accounts {
        admin.perform(admin::Command::Remove { address: address.clone() }).await?;
    }
    Ok(done(&accounts, "deleted"))
}

/// XEP-0133 §4.3, §4.4.
pub(super) async fn set_disabled(admin: Admin, form: Filled, disabled: bool) -> Result<Outcome, Refusal> {
    let accounts = accounts_in(&form, "accountjids")?;
    let value = if disabled { "on" } else { "off" };
    for address in &accounts {
        let settings = vec![("disabled".to_owned(), value.to_owned())];
        admin.perform(admin::Command::Set { address: address.clone(), settings }).await?;
    }
    Ok(done(&accounts, if disabled { "disabled" } else { "enabled" }))
}

/// XEP-0133 §4.5: all sessions of a bare address, the one session of a full address.
pub(super) async fn end_sessions(admin: Admin, form: Filled) -> Result<Outcome, Refusal> {
    let parties: Vec<Party> = form
        .values("accountjids")
        .map(|text| Party::parse(text).map_err(|_| Refusal::JID_MALFORMED))
        .collect::<Result<_, _>>()?;
    let mut ended = 0;
    for party in parties {
        let command = admin::Command::EndSessions {
            address: party.address,
            name: party.resource.map(|resource| resource.to_string()),
        };
        if let Answer::Count { count } = admin.perform(command).await? {
            ended += count;
        }
    }
    Ok(Outcome::Note(format!("{ended} sessions were ended.")))
}

/// XEP-0133 §4.7.
pub(super) async fn change_password(admin: Admin, form: Filled) -> Result<Outcome, Refusal> {
    let address = account_in(&form, "accountjid")?;
    let password = form.value("password").unwrap_or_default().to_owned();
    let note = format!("The password of {address} is changed.");
    admin.perform(admin::Command::SetPassword { address, password }).await?;
    Ok(Outcome::Note(note))
}

/// XEP-0133 §4.8.
pub(super) async fn roster(admin: Admin, form: Filled) -> Result<Outcome, Refusal> {
    let address = account_in(&form, "accountjid")?;
    let view = admin.contacts(&address).await?;
    let fields = vec![Field::new("accountjids", "jid-multi", "The user").with([address.to_string()])];
    Ok(Outcome::Extended(fields, roster::print_view(&view)))
}

/// XEP-0133 §4.10.
pub(super) async fn figures(admin: Admin, form: Filled) -> Result<Outcome, Refusal> {
    let address = account_in(&form, "accountjid")?;
    let Answer::Account(view) = admin.perform(admin::Command::Show { address }).await? else {
        return Err(Refusal::INTERNAL);
    };
    let AccountView { account, contacts, sessions, .. } = *view;
    Ok(Outcome::Table(vec![
        Field::new("accountjid", "jid-single", "The user").with([account.address.to_string()]),
        Field::new("rostersize", "text-single", "Contacts").with([contacts.to_string()]),
        Field::new("onlineresources", "text-multi", "Sessions").with(sessions),
    ]))
}

fn done(accounts: &[Address], what: &str) -> Outcome {
    let names: Vec<&str> = accounts.iter().map(Address::as_str).collect();
    Outcome::Note(format!("{}: {what}.", names.join(", ")))
}
