//! Reads a PUBLISH (RFC 3903 §6): what it is about, for how long, and what it says.
//!
//! Presence is the one package; its documents are PIDF (RFC 3863), with or without the extensions of
//! RFC 4479, RFC 4480 and others, and CPIM-PIDF, which it was before it was an RFC. A document is kept as
//! it came: who composes what watchers see reads it again, with all that this door has no word for.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;

use super::{
    answer::Refusal,
    config::Config,
    message::{HeaderName, Message},
    subscription::EVENTS,
};
use crate::{
    formats::{
        pidf::{self, Document},
        xml,
    },
    signal::{Native, Presence, Timestamp},
};

/// A PUBLISH, read.
#[derive(Debug)]
pub(super) struct Publish {
    /// The tag of the publication it is about; none for an initial one.
    pub(super) tag: Option<CompactString>,
    /// Seconds granted; zero removes.
    pub(super) seconds: u32,
    /// Nothing for a refresh or removal.
    pub(super) said: Option<Said>,
}

/// What a document says.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// With the document itself as its native form.
    pub(super) presence: Arc<Presence>,
    /// The id of the tuple that speaks for the device.
    pub(super) name: Option<CompactString>,
    /// Where that one is reached.
    pub(super) contact: Option<CompactString>,
}

impl Publish {
    /// Reads a request in the order of RFC 3903 §6; `is_known` says whether a publication of its sender has a tag.
    ///
    /// # Errors
    /// 489, 400, 412, 423, 413 and 415.
    pub(super) fn read(
        config: &Config,
        message: &Message,
        now: Timestamp,
        is_known: impl FnOnce(&str) -> bool,
    ) -> Result<Self, Refusal> {
        let event = message.event()?;
        if event.is_none_or(|event| event.token != EVENTS) {
            return Err(Refusal::new(489).with(HeaderName::AllowEvents, EVENTS));
        }
        let mut tags = message.values(HeaderName::SipIfMatch).map(CompactString::from);
        let tag = tags.next();
        if tags.next().is_some() {
            return Err(Refusal::because(400, "Bad Request: more than one SIP-If-Match"));
        }
        // Step 3: who is told so publishes anew; what else is wrong he could not mend under this tag.
        if tag.as_deref().is_some_and(|tag| !is_known(tag)) {
            return Err(Refusal::new(412));
        }
        let seconds = config.publish_range().grant(message.expires())?;
        let said = Said::read(message, config.publication_bytes, now)?;
        if tag.is_none() && said.is_none() {
            return Err(Refusal::because(400, "Bad Request: no document"));
        }
        Ok(Self { tag, seconds, said })
    }
}

impl Said {
    /// COMPAT(baresip): a refresh may have a Content-Type and no body.
    fn read(message: &Message, most: usize, now: Timestamp) -> Result<Option<Self>, Refusal> {
        let body = message.body();
        if body.is_empty() {
            return Ok(None);
        }
        if body.len() > most {
            return Err(Refusal::new(413));
        }
        let kind = message.content_type()?;
        let kind = kind.and_then(|found| MEDIA_TYPES.into_iter().find(|known| found.is(known)));
        let is_plain = message.text(HeaderName::ContentEncoding).is_none_or(|coding| coding == "identity");
        let (Some(kind), true) = (kind, is_plain) else {
            let refusal = Refusal::new(415).with(HeaderName::Accept, MEDIA_TYPES.join(", "));
            return Err(refusal.with(HeaderName::AcceptEncoding, "identity"));
        };
        // A copy: the message around it need not stay.
        Self::new(kind, Bytes::copy_from_slice(&body), now)
            .map(Some)
            .map_err(|fault| Refusal::because(400, format!("Bad Request: {fault}")))
    }

    /// What a document says that was published at `now`.
    ///
    /// # Errors
    /// It is no presence document.
    pub(super) fn new(kind: &str, body: Bytes, now: Timestamp) -> Result<Self, pidf::PidfError> {
        let document = Document::parse(&body, &xml::Limits::default())?;
        let principal = document.principal();
        let native = Native::Mime { content_type: kind.into(), headers: Vec::new(), body };
        let said = document.presence_of_person(now).unwrap_or_else(|| document.presence(now));
        Ok(Self {
            name: principal.map(|tuple| tuple.id.clone()),
            contact: principal.and_then(contact_of),
            presence: Arc::new(Presence { native, ..said }),
        })
    }
}

fn contact_of(tuple: &pidf::Tuple) -> Option<CompactString> {
    tuple.contact.as_ref().map(|contact| contact.uri.clone())
}

/// What can be published, the better one first.
const MEDIA_TYPES: [&str; 2] = [pidf::MEDIA_TYPE, pidf::CPIM_MEDIA_TYPE];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Limits;

    const PIDF: &str = "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:a@b'>\
        <tuple id='t'><status><basic>open</basic></status><contact>sip:a@c</contact></tuple></presence>";

    fn read(headers: &str, body: &str) -> Result<Publish, u16> {
        let text = format!(
            "PUBLISH sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let message = Message::parse_datagram(text.into_bytes().into(), &Limits::default()).unwrap();
        let config = Config { publication_bytes: 2000, ..Config::default() };
        Publish::read(&config, &message, Timestamp(7), |tag| tag == "a").map_err(|refusal| refusal.status)
    }

    #[test]
    fn what_cannot_be_is_refused_in_the_order_of_the_rfc() {
        const TYPE: &str = "Event: presence\r\nContent-Type: application/pidf+xml\r\n";
        let large = format!("{PIDF}<!--{}-->", "x".repeat(2000));
        for (headers, body, expect) in [
            ("", PIDF, 489),
            ("Event: dialog\r\nSIP-If-Match: a, b\r\n", "", 489),
            ("Event: presence\r\nSIP-If-Match: a, b\r\nExpires: 1\r\n", "", 400),
            ("Event: presence\r\nSIP-If-Match: a\r\nSIP-If-Match: b\r\n", "", 400),
            ("Event: presence\r\nSIP-If-Match: b\r\n", "", 412),
            ("Event: presence\r\nSIP-If-Match: b\r\nExpires: 59\r\n", PIDF, 412),
            ("Event: presence\r\nSIP-If-Match: b\r\nContent-Type: text/plain\r\n", &large, 412),
            ("Event: presence\r\nSIP-If-Match: b\r\nContent-Type: text/plain\r\n", "hi", 412),
            (&format!("{TYPE}SIP-If-Match: b\r\n"), "hi", 412),
            ("Event: presence\r\nSIP-If-Match: a\r\nExpires: 59\r\n", "", 423),
            ("Event: presence\r\nExpires: 59\r\n", PIDF, 423),
            ("Event: presence\r\n", "", 400),
            ("Event: presence\r\nExpires: 0\r\n", "", 400),
            ("Event: presence\r\nContent-Type: text/plain\r\n", &large, 413),
            ("Event: presence\r\nContent-Type: text/plain\r\n", "hi", 415),
            ("Event: presence\r\n", PIDF, 415),
            (&format!("{TYPE}Content-Encoding: gzip\r\n"), PIDF, 415),
            (TYPE, "<presence/>", 400),
            (TYPE, "hi", 400),
        ] {
            assert_eq!(read(headers, body).map(|_| ()), Err(expect), "{headers} {body}");
        }
    }

    #[test]
    fn document_is_kept_as_it_came() {
        for (kind, document) in [
            ("application/pidf+xml", PIDF.to_owned()),
            ("application/cpim-pidf+xml", PIDF.replace("ns:pidf", "ns:cpim-pidf")),
        ] {
            let headers = format!("Event: presence\r\nContent-Type: {kind};charset=UTF-8\r\n");
            let said = read(&headers, &document).unwrap().said.unwrap();
            let Native::Mime { content_type, body, .. } = &said.presence.native else { panic!("{said:?}") };
            assert_eq!((content_type.as_str(), &body[..]), (kind, document.as_bytes()));
            assert_eq!((said.name.as_deref(), said.contact.as_deref()), (Some("t"), Some("sip:a@c")));
            assert!(said.presence.is_available());
        }
    }

    #[test]
    fn refresh_and_removal_have_a_tag_and_no_document() {
        let refresh =
            read("Event: presence\r\nSIP-If-Match: a\r\nContent-Type: application/pidf+xml\r\n", "");
        let refresh = refresh.unwrap();
        assert_eq!(
            (refresh.tag.as_deref(), refresh.seconds, refresh.said.is_none()),
            (Some("a"), 3600, true)
        );
        let removal = read("Event: presence\r\nSIP-If-Match: a\r\nExpires: 0\r\n", "").unwrap();
        assert_eq!((removal.seconds, removal.said.is_none()), (0, true));
        let long = read("Event: presence\r\nSIP-If-Match: a\r\nExpires: 99999\r\n", "").unwrap();
        assert_eq!(long.seconds, 3600);
    }
}
