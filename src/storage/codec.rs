//! How records become bytes: one byte of version, then postcard.
//!
//! Stored bytes outlive the program that wrote them: a change of a stored type needs the next
//! version here, and the old one stays readable.

use postcard::ser_flavors::Flavor;
use serde::{Serialize, de::DeserializeOwned};

use crate::signal::MessageId;

use super::StoreError;

/// A record of version 1.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(256);
    append(value, &mut bytes)?;
    Ok(bytes)
}

/// Appends a record of version 1.
pub(super) fn append<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), StoreError> {
    out.push(VERSION);
    append_plain(value, out).map_err(|error| StoreError::Database(error.to_string()))
}

/// Appends a value alone.
pub(super) fn append_plain<T: Serialize>(value: &T, out: &mut Vec<u8>) -> postcard::Result<()> {
    postcard::serialize_with_flavor(value, Append(out))
}

/// Bytes behind others. Postcard's own for vectors takes every byte by itself.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads what [`encode`] made; `what` names it in the error.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| StoreError::Corrupt(what)),
        _ => Err(StoreError::Corrupt(what)),
    }
}

/// As [`decode`], for what a record begins with, of which these bytes may be the first ones.
pub(super) fn decode_front<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => {
            postcard::take_from_bytes(rest).map(|(front, _)| front).map_err(|_| StoreError::Corrupt(what))
        }
        _ => Err(StoreError::Corrupt(what)),
    }
}

/// As [`decode`], for a type that has got one more optional field at its end since version 1 was made: records of old
/// have nothing there.
pub(super) fn decode_grown<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, StoreError> {
    decode(bytes, what).or_else(|_| decode(&[bytes, &[NONE]].concat(), what))
}

/// The bytes of an id; they sort as the ids do.
pub(super) fn id_bytes(id: MessageId) -> [u8; 16] {
    id.0.to_be_bytes()
}

const VERSION: u8 = 1;
/// An option that is none, as postcard has it.
const NONE: u8 = 0;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use smallvec::smallvec;

    use super::*;
    use crate::signal::{
        Address, Content, Keep, Message, MessageKind, Native, Party, Reason, Receipt, ReceiptKind, Reject,
        Text, Timestamp, Typing,
    };

    fn sample() -> Message {
        Message {
            id: MessageId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
            from: Party::parse("alice@example.org/phone").unwrap(),
            to: Party::bare(Address::parse("bob@example.org").unwrap()),
            kind: MessageKind::Chat,
            sent: Timestamp(1_767_323_045_678),
            origin_id: Some("o1".into()),
            content: Content {
                bodies: smallvec![Text { lang: Some("de".into()), text: "Grüß".into() }, Text::plain("hi")],
                subjects: smallvec![Text::plain("s")],
                thread: Some("t".into()),
                typing: Some(Typing::Paused),
                receipt: Some(Receipt { kind: ReceiptKind::Displayed, of: "o0".into() }),
                wants_delivered: true,
                wants_displayed: false,
                error: Some(Reject::with_text(Reason::Busy, "later")),
            },
            native: Native::Mime {
                content_type: "text/plain".into(),
                headers: vec![("Subject".into(), "s".into())],
                body: Bytes::from_static(b"\0\xff"),
            },
            keep: Keep::ALL,
        }
    }

    #[test]
    fn record_of_version_1_stays_readable() {
        let stored = STORED.split_whitespace().collect::<String>();
        let bytes: Vec<u8> = (0..stored.len() / 2)
            .map(|i| u8::from_str_radix(&stored[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        assert_eq!(decode::<Message>(&bytes, "message").unwrap(), sample());
    }

    #[test]
    fn every_native_form_is_read_back() {
        for native in [
            Native::None,
            Native::Elements { payload: Bytes::from_static(b"<body>x</body>"), lang: Some("en".into()) },
            sample().native,
        ] {
            let message = Message { native, ..sample() };
            assert_eq!(decode::<Message>(&encode(&message).unwrap(), "message").unwrap(), message);
        }
    }

    #[test]
    fn every_cut_or_foreign_record_is_an_error() {
        let bytes = encode(&sample()).unwrap();
        for end in 0..bytes.len() {
            assert!(decode::<Message>(&bytes[..end], "message").is_err(), "{end}");
        }
        let mut newer = bytes;
        newer[0] = 2;
        assert_eq!(decode::<Message>(&newer, "message"), Err(StoreError::Corrupt("message")));
    }

    /// What the first release stored for [`sample`]. Never to be changed.
    const STORED: &str = "
        01ef9bafcdf8acd19181deb7de9af1d9a2a30211616c696365406578616d706c652e6f7267010570
        686f6e650f626f62406578616d706c652e6f72670000dcbccccaef6601026f310201026465064772
        c3bcc39f000268690100017301017401020101026f300100011101056c6174657200020a74657874
        2f706c61696e01075375626a65637401730200ff010101";
}
