use tokio::time::timeout;

use super::*;
use crate::{
    net::Shutdown,
    signal::{Content, Keep, Message, MessageKind, Native, Party, Resource, Signal, Text},
    xmpp::tests::{PATIENCE, Room, address},
};

/// Alice writes to bob.
async fn write(room: &Room, text: &str) {
    let accounts = &room.shared.accounts;
    let now = Timestamp::now();
    let message = Message {
        id: accounts.new_message_id(now),
        from: Party::full(address("alice"), Resource::new("one").unwrap()),
        to: Party::bare(address("bob")),
        kind: MessageKind::Chat,
        sent: now,
        origin_id: None,
        content: Content { bodies: [Text::plain(text)].into_iter().collect(), ..Content::default() },
        native: Native::None,
        keep: Keep::ALL,
    };
    accounts.signal(Signal::Message(Arc::new(message))).await.unwrap();
}

#[tokio::test]
async fn what_comes_while_a_stream_is_being_resumed_comes_once() {
    let room = Room::new().await;
    let (mut bob, queue) = room.resumable("bob").await;
    bob.fall_asleep();
    write(&room, "hello").await;
    // It waits in the queue, and in the offline file.
    bob.resume(0).unwrap();
    let (mut parcels, mut copies) = (VecDeque::new(), Vec::new());
    while copies.last() != Some(&Copy::Offline) {
        let drained = std::future::poll_fn(|context| queue.poll_drain(&mut parcels, context));
        timeout(PATIENCE, drained).await.expect("the offline file");
        for parcel in parcels.drain(..) {
            if let Parcel::Message(delivery) = &parcel {
                copies.push(delivery.copy);
            }
            bob.handle_parcel(parcel).unwrap();
        }
    }
    assert_eq!(copies, [Copy::Original, Copy::Offline]);
    let written = String::from_utf8(bob.out.clone()).unwrap();
    assert_eq!(written.matches("hello").count(), 1, "{written}");
}

#[tokio::test]
async fn what_waits_is_taken_before_a_stream_goes_on() {
    let room = Room::new().await;
    let (mut bob, queue) = room.resumable("bob").await;
    let id = bob.seat.as_ref().unwrap().id().to_owned();
    bob.fall_asleep();
    write(&room, "hello").await;
    let (_shutdown, signal) = Shutdown::new();
    let owner = address("bob");
    let (handover, ()) = tokio::join!(room.shared.seats.claim(&id, &owner), sleep_on(bob, queue, signal));
    let mut bob = handover.expect("a session").client;
    bob.resume(0).unwrap();
    let written = String::from_utf8(bob.out.clone()).unwrap();
    assert!(written.contains("hello") && written.contains("urn:xmpp:delay"), "{written}");
}

#[tokio::test]
async fn what_was_begun_goes_on_without_a_connection() {
    let room = Room::new().await;
    let (mut bob, queue) = room.resumable("bob").await;
    let is_done = bob.begin_slowly();
    let (_shutdown, signal) = Shutdown::new();
    let asleep = tokio::spawn(sleep(bob, queue, signal));
    timeout(PATIENCE, is_done).await.expect("it goes on").expect("it is done");
    asleep.abort();
}

#[tokio::test]
async fn what_was_begun_is_done_and_kept_when_the_server_stops() {
    let room = Room::new().await;
    let (mut bob, queue) = room.resumable("bob").await;
    bob.follows_blocks = true;
    let is_done = bob.begin_slowly();
    let (shutdown, signal) = Shutdown::new();
    shutdown.drain(PATIENCE);
    sleep(bob, queue, signal).await;
    is_done.await.expect("it is done");
    let kept = room.shared.seats.memory.all().unwrap();
    let saved = Saved::parse(&kept[0].1).unwrap();
    let is_answer = |stanza: &saved::Stanza| match stanza {
        saved::Stanza::Bytes(bytes) => memchr::memmem::find(bytes, b"id='slow'").is_some(),
        _ => false,
    };
    assert!(saved.follows_blocks && saved.unacknowledged.iter().any(is_answer), "{saved:?}");
}
