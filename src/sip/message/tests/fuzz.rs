//! Any input is survived, and what is read can be written again.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

/// Asks for every view; only that none of them panics matters.
fn touch(message: &Message) {
    let _ = (message.check_request(), message.check_response(), message.request_uri());
    let _ = (message.vias(), message.contacts(), message.routes(), message.record_routes(), message.accept());
    let _ = (message.event(), message.subscription_state(), message.content_type(), message.date());
    let _ = (message.expires(), message.auth_params(HeaderName::Authorization), message.body());
    for field in message.fields() {
        let text = field.text();
        let _ = (field.values().count(), NameAddr::parse(&text), Uri::parse(&text), MediaType::parse(&text));
    }
    let _ = Builder::response_to(message, 200, "t").finish();
    let _ = message.splice().pop_via().pop_route().push_via(&via()).max_forwards(1).finish();
}

fn via() -> Via {
    Via::new("UDP", Host::parse("h").unwrap(), None, "z9hG4bK1")
}

fn pieces() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "OPTIONS sip:a@h SIP/2.0\r\n",
        "SIP/2.0 200 OK\r\n",
        "Via: SIP/2.0/UDP h;branch=1",
        "To: \"",
        "<sip:a@h>",
        "\r\n",
        "\n",
        "\r",
        " ",
        ",",
        ";",
        "=",
        "\"",
        "\\",
        "<",
        ">",
        "%",
        "%4",
        "[",
        "]",
        ":",
        "@",
        "?",
        "*",
        "Content-Length: ",
        "l:",
        "18446744073709551615",
        "-1",
        "0",
        "Contact",
        "Route: ",
        "CSeq: 1 ",
        "é",
        "\0",
        "q=0.5",
        "Authorization: Digest a=",
        "Event: ",
        "Date: ",
        "Accept: ",
        "tag=1",
        "\r\n\r\n",
    ]);
    prop::collection::vec(odd, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(message) = Message::parse_datagram(bytes.clone().into(), &Limits::default()) {
            touch(&message);
        }
        let _ = Message::salvage(&bytes.into(), &Limits::default()).map(|message| touch(&message));
    }

    #[test]
    fn nearly_sound_messages_never_panic_and_are_copied_whole(text in pieces(), head in any::<bool>()) {
        let text = if head { format!("OPTIONS sip:a@h SIP/2.0\r\n{text}\r\n\r\n") } else { text };
        let (mut framer, mut buffer) = (Framer::default(), BytesMut::from(text.as_str()));
        while let Ok(Some(frame)) = framer.next(&mut buffer, &Limits::default()) {
            if let Frame::Message(message) = frame {
                touch(&message);
            }
        }
        let _ = Message::salvage(&text.clone().into(), &Limits::default()).map(|message| touch(&message));
        if let Ok(message) = Message::parse_datagram(text.into(), &Limits::default()) {
            touch(&message);
            let written: Vec<_> = message.fields().map(|field| (field.written_name().to_owned(), field.raw().to_vec())).collect();
            let copied = message.splice().finish();
            let again = Message::parse_datagram(copied.bytes().clone(), &Limits::default()).expect("a copy can be read");
            let reread: Vec<_> = again.fields().map(|field| (field.written_name().to_owned(), field.raw().to_vec())).collect();
            prop_assert_eq!(&reread[..written.len()], &written[..]);
            prop_assert_eq!(again.body(), message.body());
        }
    }

    #[test]
    fn addresses_survive_printing(display in "\\PC{0,12}", user in "\\PC{1,12}", port in proptest::option::of(1u16..)) {
        let host = Host::parse("example.org").unwrap();
        let mut address = NameAddr::new(Uri::sip(Some(&user), &host, port));
        address.display = Some(display.as_str().into()).filter(|name: &compact_str::CompactString| !name.is_empty());
        address.params.set("note", Some(&display));
        let again = NameAddr::parse(&address.to_string()).unwrap();
        prop_assert_eq!(&again, &address);
        let found = again.uri.user();
        prop_assert_eq!(found.as_deref(), Some(user.as_str()));
    }
}
