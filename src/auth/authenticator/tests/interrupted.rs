//! Who asks for a change may go away at any moment: it is made with all that follows from it, or not at all.

use std::{pin::Pin, task::Poll};

use tokio::sync::broadcast::error::TryRecvError;

use super::*;
use crate::auth::{Agent, Wishes};

/// Alice's device and client.
struct Ids {
    device: i64,
    client: i64,
}

type Work<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A room where she has both, and is known in memory.
async fn lively_room() -> (Room, Ids) {
    let room = room().await;
    let device = room.auth.add_device(&alice(), "phone").await.unwrap().id;
    let agent = Agent { id: "one".to_owned(), ..Agent::default() };
    let wishes = Wishes { token: None, ends_tokens: false, by_token: false };
    let noted = room.auth.note_client(&alice_login(Some(device)), &agent, wishes).await.unwrap();
    room.auth.verify_password(&alice(), "secret", peer()).await.unwrap();
    (room, Ids { device, client: noted.unwrap().client })
}

/// Goes on with the work so many times and then goes away. Tells whether it was done by then.
///
/// There is one thread that may block, and it is busy until the work waits for it.
async fn go_away_after(polls: usize, mut work: Work<'_>) -> bool {
    for _ in 0..polls {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let busy = task::spawn_blocking(move || held.recv());
        let is_done =
            std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_ready())).await;
        drop(release);
        assert!(busy.await.unwrap().is_err());
        if is_done {
            return true;
        }
        // Behind what it waits for.
        task::spawn_blocking(|| ()).await.unwrap();
    }
    false
}

/// What the store has of alice.
fn kept(room: &Room) -> String {
    let store = &room.auth.inner.store;
    let record = store.credential(&alice()).unwrap();
    let clients = record.as_ref().map(|record| store.clients(record.account.key).unwrap());
    format!("{record:?} {clients:?}")
}

/// Runs with a single thread that may block.
fn run(work: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.max_blocking_threads(1).build().unwrap().block_on(work);
}

/// Has somebody ask for the change and go away, at every step of it.
fn check(name: &str, change: for<'a> fn(&'a Authenticator, &'a Ids) -> Work<'a>) {
    run(async {
        let mut was_made_alone = false;
        for polls in 1.. {
            let (room, ids) = lively_room().await;
            let (mut changes, before) = (room.auth.changes(), kept(&room));
            let is_done = go_away_after(polls, change(&room.auth, &ids)).await;
            let is_made = kept(&room) != before;
            assert_eq!(changes.try_recv().is_ok(), is_made, "{name} after {polls}");
            assert_eq!(room.auth.inner.accounts.find(&alice()).is_none(), is_made, "{name} after {polls}");
            assert_eq!(changes.try_recv(), Err(TryRecvError::Empty), "{name} after {polls}");
            if is_done {
                assert!(is_made && was_made_alone, "{name}");
                break;
            }
            was_made_alone |= is_made;
        }
    });
}

#[test]
fn a_change_is_made_whole_or_not_at_all_where_nobody_waits_for_it() {
    check("password", |auth, _| Box::pin(async { auth.set_password(&alice(), "other").await.unwrap() }));
    check("removal", |auth, _| Box::pin(async { auth.remove_account(&alice()).await.unwrap() }));
    check("disabled", |auth, _| Box::pin(async { auth.set_disabled(&alice(), true).await.unwrap() }));
    check("device", |auth, ids| {
        Box::pin(async { assert!(auth.remove_device(&alice(), ids.device).await.unwrap()) })
    });
    check("client", |auth, ids| {
        Box::pin(async { assert!(auth.remove_client(&alice(), ids.client).await.unwrap()) })
    });
}

#[test]
fn a_link_makes_an_account_or_stays_good_where_nobody_waits_for_it() {
    run(async {
        for polls in 1.. {
            let room = open(tempfile::tempdir().unwrap());
            let day = Duration::from_secs(86_400);
            let link = room.auth.issue_token(TokenKind::Setup, None, "first", day).await.unwrap();
            let redeem = async {
                room.auth.redeem_setup(&link, &alice(), "secret").await.unwrap();
            };
            let is_done = go_away_after(polls, Box::pin(redeem)).await;
            let is_good = room.auth.check_setup(&link).await.is_ok();
            let is_made = room.auth.inner.store.account(&alice()).unwrap().is_some();
            assert_ne!(is_good, is_made, "after {polls}");
            if is_done {
                break;
            }
        }
    });
}
