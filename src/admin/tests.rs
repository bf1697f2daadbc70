use tempfile::TempDir;

use super::*;
use crate::{
    account, auth,
    storage::{self, AcceptedSenders},
};

/// Administration of a new server for example.org. The folder goes with it.
pub(crate) fn new_admin() -> (Admin, TempDir) {
    let (admin, _, _, folder) = new_rooms();
    (admin, folder)
}

/// As [`new_admin`], with what it administers.
pub(crate) fn new_rooms() -> (Admin, Accounts, Authenticator, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let storage = storage::Config { data_dir: folder.path().to_owned(), ..storage::Config::default() };
    let auth = auth::Config {
        argon2_memory_kib: 8,
        argon2_passes: 1,
        scram_iterations: 1,
        ..auth::Config::default()
    };
    let store = Store::open(&storage).unwrap();
    let authenticator = Authenticator::open(auth, folder.path(), store.clone()).unwrap();
    let domains = vec![Address::parse("example.org").unwrap()];
    let accounts = Accounts::new(store.clone(), domains, account::Config::default());
    (Admin::new(accounts.clone(), authenticator.clone(), store), accounts, authenticator, folder)
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn add(name: &str) -> Command {
    Command::Add { address: address(name), password: "secret".to_owned(), admin: false }
}

fn set(settings: &[(&str, &str)]) -> Command {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Command::Set { address: address("alice@example.org"), settings }
}

async fn show(admin: &Admin) -> AccountView {
    let command = Command::Show { address: address("alice@example.org") };
    match admin.perform(command).await {
        Ok(Answer::Account(view)) => *view,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn account_is_added_shown_listed_and_removed() {
    let (admin, _folder) = new_admin();
    assert_eq!(admin.perform(add("alice@example.org")).await, Ok(Answer::Done));
    assert_eq!(
        admin.perform(add("alice@example.org")).await.unwrap_err().to_string(),
        "the account exists already"
    );
    assert_eq!(
        admin.perform(add("alice@example.com")).await.unwrap_err().to_string(),
        "example.com is not a domain of this server, which has example.org"
    );
    assert!(admin.perform(add("example.org")).await.is_err());
    let view = show(&admin).await;
    assert_eq!((view.contacts, view.has_offline, view.sessions.len()), (0, false, 0));
    assert_eq!(
        admin.perform(Command::List { after: None }).await,
        Ok(Answer::Accounts { accounts: vec![view.account], more: false })
    );
    let remove = Command::Remove { address: address("alice@example.org") };
    assert_eq!(admin.perform(remove.clone()).await, Ok(Answer::Done));
    assert_eq!(admin.perform(remove).await, Err(AuthError::NoSuchAccount.into()));
}

#[tokio::test]
async fn settings_are_changed_together_or_not_at_all() {
    let (admin, _folder) = new_admin();
    admin.perform(add("alice@example.org")).await.unwrap();
    let both = set(&[("accepted-senders", "nobody"), ("offline-storage", "off"), ("admin", "on")]);
    assert_eq!(admin.perform(both).await, Ok(Answer::Done));
    let view = show(&admin).await;
    assert_eq!(view.preferences.accepted_senders, AcceptedSenders::Nobody);
    assert!(!view.preferences.offline_storage && view.preferences.device_messages && view.account.is_admin);
    for (settings, message) in [
        (
            &[("offline-storage", "on"), ("device-copies", "maybe")][..],
            "device-copies cannot be maybe; it can be on or off",
        ),
        (
            &[("offline-storage", "on"), ("colour", "red")],
            "there is no setting colour; there are accepted-senders, offline-storage, device-messages, \
             device-copies, temporary-presence, listed, admin, disabled",
        ),
    ] {
        assert_eq!(admin.perform(set(settings)).await.unwrap_err().to_string(), message);
    }
    assert_eq!(show(&admin).await, view);
}

#[tokio::test]
async fn disabled_account_is_shown_and_can_be_enabled() {
    let (admin, _folder) = new_admin();
    admin.perform(add("alice@example.org")).await.unwrap();
    admin.perform(set(&[("disabled", "on"), ("device-copies", "off")])).await.unwrap();
    let view = show(&admin).await;
    assert!(view.account.disabled && !view.preferences.device_copies);
    admin.perform(set(&[("device-copies", "on"), ("disabled", "off")])).await.unwrap();
    let view = show(&admin).await;
    assert!(!view.account.disabled && view.preferences.device_copies);
}

#[tokio::test]
async fn device_password_is_made_listed_and_removed() {
    let (admin, _folder) = new_admin();
    admin.perform(add("alice@example.org")).await.unwrap();
    let alice = address("alice@example.org");
    let made = Command::AddDevice { address: alice.clone(), label: "phone".to_owned() };
    let Ok(Answer::NewDevice { id, password, .. }) = admin.perform(made).await else { panic!() };
    assert_eq!(password.len(), 29);
    let Ok(Answer::Devices { devices }) = admin.perform(Command::Devices { address: alice.clone() }).await
    else {
        panic!()
    };
    assert_eq!((devices[0].id, devices[0].label.as_str()), (id, "phone"));
    let remove = Command::RemoveDevice { address: alice, id };
    assert_eq!(admin.perform(remove.clone()).await, Ok(Answer::Done));
    assert_eq!(admin.perform(remove).await, Err(AdminError::NoSuchDevice));
}

#[tokio::test]
async fn setup_link_is_for_a_server_without_accounts() {
    let (admin, _folder) = new_admin();
    assert!(admin.setup_token().await.unwrap().is_some());
    admin.perform(add("alice@example.org")).await.unwrap();
    assert_eq!(admin.setup_token().await, Ok(None));
}
