use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    net::{Shutdown, Stream},
    xmpp::{stanza::Scanner, tests::Room},
};

const OPEN: &[u8] =
    b"<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' \
     xmlns:stream='http://etherx.jabber.org/streams'>";

/// The wire of an open stream, and the client's end of it.
fn open_wire(client: &Client) -> (Box<Wire>, tokio::io::DuplexStream) {
    let (near, far) = Stream::in_memory(10_000);
    let mut scanner = Scanner::new(client.shared.limits_after_login());
    scanner.feed(OPEN);
    assert!(matches!(scanner.next_event(), Ok(Some(Scanned::Header(_)))));
    (Box::new(Wire::new(near, scanner, &client.shared.limits, client.shared.patience())), far)
}

fn size_of_task<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn an_idle_session_costs_little() {
    let task = size_of_task(run);
    let (client, wire) = (size_of::<Client>(), size_of::<Wire>());
    assert!(task <= 512 && client <= 328 && wire <= 480, "task {task}, client {client}, wire {wire}");
}

#[tokio::test]
async fn what_a_client_asked_for_before_it_said_goodbye_is_done_and_answered() {
    let room = Room::new().await;
    let (mut bob, queue) = room.session("bob").await;
    let (wire, mut far) = open_wire(&bob);
    let (_shutdown, signal) = Shutdown::new();
    far.write_all(b"</stream:stream>").await.unwrap();
    let is_done = bob.begin_slowly();
    run(bob, wire, queue, signal).await;
    is_done.await.expect("it is done");
    let mut written = String::new();
    far.read_to_string(&mut written).await.unwrap();
    assert!(written.contains("id='slow'") && written.ends_with("</stream:stream>"), "{written}");
}

#[tokio::test]
async fn what_a_client_asked_for_before_it_was_gone_is_done() {
    let room = Room::new().await;
    let (mut bob, queue) = room.session("bob").await;
    let (wire, far) = open_wire(&bob);
    let (_shutdown, signal) = Shutdown::new();
    drop(far);
    let is_done = bob.begin_slowly();
    run(bob, wire, queue, signal).await;
    is_done.await.expect("it is done");
}
