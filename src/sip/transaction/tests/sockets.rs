//! Two layers that talk over real sockets.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use crate::{
    net::Connector,
    sip::{
        message::{Builder, HeaderName, Method},
        transaction::{ClientEvent, Failure},
        transport::{Destination, Protocol},
    },
};

use super::harness::{Peer, Told, answer, request, to};

#[tokio::test]
async fn requests_are_answered_over_udp_and_tcp() {
    let (alice, bob) = (Peer::new(), Peer::new());
    for destination in [to(Protocol::Udp, bob.udp), to(Protocol::Tcp, bob.tcp)] {
        let (_, mut events) = alice.send(&request(&Method::Options), &destination);
        let incoming = bob.request().await;
        assert_eq!(
            incoming.message.top_via().unwrap().received().is_some(),
            incoming.flow.protocol == Protocol::Udp
        );
        answer(&incoming, 200);
        assert_eq!(events.status().await, 200);
    }
}

#[tokio::test]
async fn a_request_goes_back_along_the_flow_it_came_by() {
    let (alice, bob) = (Peer::new(), Peer::new());
    for destination in [to(Protocol::Udp, bob.udp), to(Protocol::Tcp, bob.tcp)] {
        let (_, mut events) = alice.send(&request(&Method::Register), &destination);
        let incoming = bob.request().await;
        answer(&incoming, 200);
        assert_eq!(events.status().await, 200);
        let (_, mut events) = bob.send(&request(&Method::Message), &Destination::Flow(incoming.flow));
        let back = alice.request().await;
        assert_eq!(back.flow.protocol, incoming.flow.protocol);
        answer(&back, 202);
        assert_eq!(events.status().await, 202);
    }
}

#[tokio::test]
async fn one_connection_serves_several_requests_to_a_peer() {
    let (alice, bob) = (Peer::new(), Peer::new());
    let (one, _) = alice.send(&request(&Method::Options), &to(Protocol::Tcp, bob.tcp));
    let (two, _) = alice.send(&request(&Method::Options), &to(Protocol::Tcp, bob.tcp));
    assert_eq!(one.flow(), two.flow());
    assert_eq!(bob.request().await.flow, bob.request().await.flow);
}

#[tokio::test]
async fn an_invite_rings_is_taken_and_its_ack_comes_up() {
    let (alice, bob) = (Peer::new(), Peer::new());
    let destination = to(Protocol::Udp, bob.udp);
    let invite = request(&Method::Invite);
    let (_, mut events) = alice.send(&invite, &destination);
    let incoming = bob.request().await;
    assert_eq!(events.status().await, 100, "sent by the layer itself");
    answer(&incoming, 180);
    assert_eq!(events.status().await, 180);
    answer(&incoming, 200);
    assert_eq!(events.status().await, 200);
    alice.layer.send_stateless(&request(&Method::Ack), &destination).unwrap();
    let Told::Ack(ack) = bob.told().await else { panic!("an ACK") };
    assert_eq!(ack.method(), Some(&Method::Ack));
}

#[tokio::test]
async fn a_refused_invite_is_acknowledged_by_the_layer() {
    let (alice, bob) = (Peer::new(), Peer::new());
    let (_, mut events) = alice.send(&request(&Method::Invite), &to(Protocol::Udp, bob.udp));
    answer(&bob.request().await, 486);
    assert_eq!(events.status().await, 486);
    // Were the ACK handed up, it would come before this request.
    let _ = alice.send(&request(&Method::Options), &to(Protocol::Udp, bob.udp));
    assert_eq!(bob.request().await.message.method(), Some(&Method::Options));
}

#[tokio::test]
async fn a_cancel_waits_for_a_provisional_response_and_is_told() {
    let (alice, bob) = (Peer::new(), Peer::new());
    for destination in [to(Protocol::Udp, bob.udp), to(Protocol::Tcp, bob.tcp)] {
        let (transaction, mut events) = alice.send(&request(&Method::Invite), &destination);
        transaction.cancel();
        let incoming = bob.request().await;
        let Told::Cancel(cancelled) = bob.told().await else { panic!("a cancel") };
        assert_eq!(cancelled.key(), incoming.transaction.key());
        assert_eq!(events.status().await, 100);
        answer(&incoming, 487);
        assert_eq!(events.status().await, 487);
    }
}

#[tokio::test]
async fn a_request_that_comes_again_is_answered_from_memory() {
    let bob = Peer::new();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let text = "MESSAGE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.9.9;rport;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\n\
                To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n\r\n";
    let mut answers = Vec::new();
    for turn in 0..2 {
        socket.send_to(text.as_bytes(), bob.udp).await.unwrap();
        if turn == 0 {
            answer(&bob.request().await, 202);
        }
        let mut buffer = [0; 2000];
        let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
        answers.push(buffer[..length].to_vec());
    }
    assert!(answers[0].starts_with(b"SIP/2.0 202"));
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn silence_and_closed_connections_fail_a_request() {
    let alice = Peer::new();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let destination = to(Protocol::Udp, silent.local_addr().unwrap());
    let (_, mut events) = alice.send(&request(&Method::Options), &destination);
    assert!(matches!(events.next().await, ClientEvent::Failed(Failure::Timeout)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_, mut events) =
        alice.send(&request(&Method::Options), &to(Protocol::Tcp, listener.local_addr().unwrap()));
    drop(listener.accept().await.unwrap());
    assert!(matches!(events.next().await, ClientEvent::Failed(Failure::Unreachable)));
    let port = listener.local_addr().unwrap();
    drop(listener);
    let (_, mut events) = alice.send(&request(&Method::Options), &to(Protocol::Tcp, port));
    assert!(matches!(events.next().await, ClientEvent::Failed(Failure::Unreachable)));
}

#[tokio::test]
async fn broken_requests_are_refused_with_the_reason() {
    let bob = Peer::new();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let good = "OPTIONS sip:b@h SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKq\nFrom: <sip:a@h>;tag=1\n\
                To: <sip:b@h>\nCall-ID: 1\nCSeq: 1 OPTIONS\n\n";
    for (from, to, status) in [
        ("SIP/2.0\nVia", "SIP/3.0\nVia", "SIP/2.0 505"),
        ("CSeq: 1 OPTIONS", "CSeq: 1 INVITE", "SIP/2.0 400 Bad Request: method mismatch in cseq"),
        ("Call-ID: 1\n", "", "SIP/2.0 400 Bad Request: missing Call-ID"),
        ("z9hG4bK", "", "SIP/2.0 400"),
        ("\n\n", "\nContent-Length: 7\n\n", "SIP/2.0 400 Bad Request: body is shorter"),
        ("\n\n", "\nno colon\n\n", "SIP/2.0 400 Bad Request: malformed header line"),
    ] {
        let text = good.replacen(from, to, 1).replace('\n', "\r\n");
        socket.send_to(text.as_bytes(), bob.udp).await.unwrap();
        let mut buffer = [0; 2000];
        let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
        let found = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(found.starts_with(status), "{found}");
    }
}

#[tokio::test]
async fn a_connection_answers_pings_and_closes_after_garbage() {
    let bob = Peer::new();
    let mut stream = TcpStream::connect(bob.tcp).await.unwrap();
    stream.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\r\n");
    let text = "OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nContent-Length: x\r\n\r\n";
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"SIP/2.0 400 Bad Request: malformed content-length\r\n"));
    let Told::Closed(flow) = bob.told().await else { panic!("a closed flow") };
    assert_eq!(flow.peer, stream.local_addr().unwrap());
}

#[tokio::test]
async fn a_connection_that_does_not_read_is_closed() {
    let bob = Peer::with(|config| config.transport.queue = 4);
    let stream = TcpStream::connect(bob.tcp).await.unwrap();
    let mut half = stream;
    half.write_all(b"OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n").await.unwrap();
    let flow = bob.request().await.flow;
    let large = Bytes::from(vec![b'x'; 4 << 20]);
    let mut is_closed = false;
    for _ in 0..20 {
        is_closed |= bob.layer.transport().send(&flow, large.clone()).is_err();
        tokio::task::yield_now().await;
    }
    assert!(is_closed);
}

#[tokio::test]
async fn what_is_answered_once_is_not_kept_and_comes_up_again_under_the_same_tag() {
    let bob = Peer::with(|config| config.transactions = 16);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 1500];
    let mut tags = std::collections::HashSet::new();
    for number in 0..40 {
        let text = format!(
            "OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.9.9;rport;branch=z9hG4bK{number}\r\n\
             From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
        );
        let mut answers = Vec::new();
        for _ in 0..2 {
            socket.send_to(text.as_bytes(), bob.udp).await.unwrap();
            let request = bob.request().await;
            let tag = request.transaction.tag();
            request.transaction.respond_once(&Builder::response_to(&request.message, 200, &tag).finish());
            // A second answer is too late.
            answer(&request, 500);
            let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
            answers.push(buffer[..length].to_vec());
            tags.insert(tag);
        }
        assert_eq!(answers[0], answers[1]);
    }
    assert_eq!(tags.len(), 40);
}

#[tokio::test]
async fn beyond_the_bound_answered_transactions_make_room() {
    let bob = Peer::with(|config| config.transactions = 16);
    let alice = Peer::new();
    for _ in 0..40 {
        let (_, mut events) = alice.send(&request(&Method::Message), &to(Protocol::Udp, bob.udp));
        answer(&bob.request().await, 200);
        assert_eq!(events.status().await, 200);
    }
    let mut refused = 0;
    for _ in 0..40 {
        let (_, mut events) = alice.send(&request(&Method::Invite), &to(Protocol::Udp, bob.udp));
        if let ClientEvent::Final(response) = events.next().await {
            assert_eq!((response.status(), response.has(HeaderName::RetryAfter)), (Some(503), true));
            refused += 1;
        }
    }
    assert!(refused >= 24, "{refused}");
}

#[tokio::test]
async fn a_stopped_layer_closes_its_connections() {
    let bob = Peer::new();
    let mut stream = TcpStream::connect(bob.tcp).await.unwrap();
    stream.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).await.unwrap();
    bob.stop();
    assert_eq!(stream.read(&mut pong).await.unwrap_or_default(), 0);
}

#[tokio::test]
async fn large_requests_prefer_a_connection_and_make_do_with_datagrams() {
    let alice = Peer::new();
    let large = request(&Method::Message).splice().body("text/plain", vec![b'x'; 3000]).finish();
    let bob = Peer::new();
    let (_, mut events) = alice.send(&large, &to(Protocol::Udp, bob.udp));
    let incoming = bob.request().await;
    assert_eq!(
        (incoming.flow.protocol, incoming.message.body().len()),
        (Protocol::Udp, 3000),
        "no TCP on this port"
    );
    answer(&incoming, 200);
    assert_eq!(events.status().await, 200);
    let (_, mut events) = alice.send(&large, &to(Protocol::Udp, bob.tcp));
    let incoming = bob.request().await;
    assert_eq!(incoming.flow.protocol, Protocol::Tcp);
    answer(&incoming, 200);
    assert_eq!(events.status().await, 200);
}

#[tokio::test]
async fn requests_are_answered_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let bob = Peer::secure(folder.path());
    let trusted = folder.path().join("certificate.pem");
    let connector = Connector::trusting(&trusted, Duration::from_secs(10)).unwrap();
    let alice = Peer::with(|config| config.transport.tls_client = Some(connector));
    let (_, mut events) = alice.send(&request(&Method::Register), &to(Protocol::Tls, bob.tcp));
    let incoming = bob.request().await;
    assert!(incoming.flow.is_secure());
    assert_eq!(incoming.message.top_via().unwrap().transport, "TLS");
    answer(&incoming, 200);
    assert_eq!(events.status().await, 200);
    let stranger = Peer::new();
    let sent = stranger.layer.request(&request(&Method::Options), &to(Protocol::Tls, bob.tcp)).await;
    assert_eq!(sent.err(), Some(Failure::Unreachable), "it trusts nobody");
}

#[tokio::test]
async fn a_stopped_layer_frees_its_ports_and_its_user() {
    let bob = Peer::new();
    let (udp, layer) = (bob.udp, std::sync::Arc::downgrade(&bob.layer));
    bob.stop();
    bob.finish().await;
    UdpSocket::bind(udp).await.expect("the port is free");
    assert_eq!(layer.strong_count(), 0);
}
