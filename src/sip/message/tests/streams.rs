//! Framing on streams.

use bytes::BytesMut;

use super::*;

/// Feeds the pieces one by one; gives what came out, a ping as an empty string.
fn frames(pieces: &[&[u8]], limits: &Limits) -> Result<Vec<String>, ParseError> {
    let (mut framer, mut buffer, mut found) = (Framer::default(), BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(frame) = framer.next(&mut buffer, limits)? {
            found.push(match frame {
                Frame::Ping => String::new(),
                Frame::Message(message) => String::from_utf8_lossy(message.bytes()).into_owned(),
            });
        }
    }
    Ok(found)
}

const ONE: &str = "OPTIONS sip:b@h SIP/2.0\r\nContent-Length : 5\r\n\r\nhello";
const TWO: &str = "SIP/2.0 200 OK\r\nl: 0\r\n\r\n";

#[test]
fn messages_and_pings_come_out_however_the_bytes_are_cut() {
    let stream = format!("\r\n\r\n{ONE}\r\n{TWO}\r\n\r\n{ONE}");
    for size in 1..stream.len() {
        let pieces: Vec<_> = stream.as_bytes().chunks(size).collect();
        let found = frames(&pieces, &Limits::default()).unwrap();
        assert_eq!(found, ["", ONE, TWO, "", ONE], "pieces of {size}");
    }
}

#[test]
fn a_space_before_the_colon_does_not_split_a_message() {
    let smuggled =
        "OPTIONS sip:b@h SIP/2.0\r\nContent-Length : 27\r\n\r\nBYE sip:b@h SIP/2.0\r\nl: 0\r\n\r\n";
    let found = frames(&[smuggled.as_bytes()], &Limits::default());
    assert_eq!(found.unwrap()[0].len(), smuggled.find("BYE").unwrap() + 27);
}

#[test]
fn a_stream_needs_a_sound_content_length() {
    for (lines, error) in [
        ("", ParseError::MissingContentLength),
        ("Content-Length: 18446744073709551615\r\n", ParseError::BodyTooLarge),
        ("Content-Length: 99999999999999999999999\r\n", ParseError::ContentLength),
        ("Content-Length: 0\r\nl: 0\r\n", ParseError::RepeatedContentLength),
        ("Content-Length: -5\r\n", ParseError::ContentLength),
    ] {
        let text = format!("OPTIONS sip:b@h SIP/2.0\r\n{lines}\r\n");
        assert_eq!(frames(&[text.as_bytes()], &Limits::default()), Err(error), "{lines}");
    }
}

#[test]
fn an_endless_head_is_refused_at_the_limit() {
    let limits = Limits { head: 100, ..Limits::default() };
    let piece = [b'x'; 10];
    let pieces: Vec<&[u8]> = vec![&piece; 11];
    assert_eq!(frames(&pieces, &limits), Err(ParseError::HeadTooLarge));
}

#[test]
fn keep_alives_are_known() {
    for (datagram, is_one) in [
        ("\r\n\r\n", true),
        ("\r\n", true),
        ("\0\0\0\0", true),
        ("", true),
        ("jaK\0", true),
        ("OPTIONS", false),
    ] {
        assert_eq!(is_keep_alive(datagram.as_bytes()), is_one, "{datagram:?}");
    }
}
