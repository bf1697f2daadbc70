//! The page in a real browser against the real program: runs the tests of `tests/browser`, each file
//! with a server and people of its own. Converse.js, another web client, is driven there, too.

use tokio::{process::Command, sync::Mutex};

use crate::support::{Program, repository};

#[tokio::test]
async fn first_administrator_is_made_by_the_link() {
    pass("setup.test.mjs").await;
}

#[tokio::test]
async fn people_come_in_and_leave() {
    pass("login.test.mjs").await;
}

#[tokio::test]
async fn administrator_adds_and_removes_accounts() {
    pass("accounts.test.mjs").await;
}

#[tokio::test]
async fn who_is_invited_becomes_a_contact() {
    pass("invitations.test.mjs").await;
}

#[tokio::test]
async fn who_wants_to_be_found_is_found() {
    pass("directory.test.mjs").await;
}

#[tokio::test]
async fn contacts_see_each_other() {
    pass("contacts.test.mjs").await;
}

#[tokio::test]
async fn messages_reach_their_people() {
    pass("messages.test.mjs").await;
}

#[tokio::test]
async fn page_fits_its_screen() {
    pass("looks.test.mjs").await;
}

#[tokio::test]
async fn rules_are_made_tried_and_ordered() {
    pass("rules.test.mjs").await;
}

#[tokio::test]
async fn another_web_client_talks_and_comes_back_when_it_is_cut_off() {
    pass("converse.test.mjs").await;
}

/// One browser at a time: each wants a core of its own, and their deadlines run meanwhile.
static TURN: Mutex<()> = Mutex::const_new(());

async fn pass(file: &str) {
    let _turn = TURN.lock().await;
    let mut command = Command::new("node");
    command.arg("--test").arg(repository("tests/browser").join(file));
    command.env("ROLLCALL_BINARY", env!("CARGO_BIN_EXE_rollcall"));
    Program::start(file, &mut command).finish().await;
}
