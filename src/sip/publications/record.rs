//! A publication as it outlives the process: its document, and what the server promised of it.

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::Publication;
use crate::{
    signal::{Address, Native, Resource, Timestamp},
    sip::{clock::Clock, publish::Said},
};

/// A publication on the disk. One of another shape is not read: its phone is told to publish anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    account: Address,
    tag: CompactString,
    expires: Timestamp,
    published: Timestamp,
    phone: Option<Resource>,
    device: Option<i64>,
    content_type: CompactString,
    body: Bytes,
    mark: u64,
}

/// The publication as it is remembered; `None` for one without a document, which cannot be.
pub(in crate::sip) fn print<P>(publication: &Publication<P>, now: Clock) -> Option<Bytes> {
    let Native::Mime { content_type, body, .. } = &publication.presence.native else { return None };
    let record = Record {
        account: publication.account.clone(),
        tag: publication.tag.clone(),
        expires: now.time_at(publication.expires),
        published: publication.published,
        phone: publication.phone.clone(),
        device: publication.device,
        content_type: content_type.clone(),
        body: body.clone(),
        mark: publication.mark,
    };
    postcard::to_stdvec(&record).map(Bytes::from).ok()
}

/// A publication that is to be shown at `place`; `None` where it expired meanwhile, or is not legible
/// any more.
pub(in crate::sip) fn parse<P>(key: &[u8], value: &[u8], now: Clock, place: P) -> Option<Publication<P>> {
    let record: Record = postcard::from_bytes(value).ok()?;
    let left = now.until(record.expires)?;
    let said = Said::new(&record.content_type, record.body, record.published).ok()?;
    Some(Publication {
        account: record.account,
        key: str::from_utf8(key).ok()?.into(),
        tag: record.tag,
        presence: said.presence,
        published: record.published,
        name: said.name,
        contact: said.contact,
        flow: None,
        phone: record.phone,
        device: record.device,
        mark: record.mark,
        expires: now.instant + left,
        place,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    const PIDF: &[u8] = b"<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:a@b'>\
        <tuple id='t'><status><basic>open</basic></status><contact>sip:a@c</contact></tuple></presence>";

    #[test]
    fn publication_comes_back_with_tag_document_and_the_time_it_had_left() {
        let before = Clock { instant: Instant::now(), time: Timestamp(1_000_000) };
        let kind = "application/pidf+xml";
        let said = Said::new(kind, Bytes::from_static(PIDF), Timestamp(999_000)).unwrap();
        let publication = Publication {
            account: Address::parse("alice@example.org").unwrap(),
            key: "first".into(),
            tag: "second".into(),
            presence: said.presence,
            published: Timestamp(999_000),
            name: said.name,
            contact: said.contact,
            flow: None,
            phone: Resource::new("phone-1").ok(),
            device: Some(7),
            mark: 9,
            expires: before.instant + Duration::from_secs(100),
            place: 5,
        };
        let value = print(&publication, before).unwrap();
        let later = Duration::from_secs(60);
        let after = Clock { instant: before.instant + later, time: Timestamp(1_060_000) };
        assert_eq!(parse(b"first", &value, after, 5), Some(publication.clone()));
        let restarted = Clock { instant: before.instant, time: Timestamp(1_099_000) };
        let left = parse(b"first", &value, restarted, 5).unwrap().expires - before.instant;
        assert_eq!(left, Duration::from_secs(1));
        let late = Clock { instant: before.instant, time: Timestamp(1_100_000) };
        assert_eq!(parse(b"first", &value, late, 5), None);
        assert_eq!(parse(b"first", &value[1..], after, 5), None);
    }
}
