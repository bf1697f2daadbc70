//! The dialog of a subscription, from the notifier's side (RFC 6665 §4.4.1, RFC 3261 §12).

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{notifier::State, saved::Place};
use crate::sip::{
    answer::PRODUCT,
    events::Document,
    gruu::gruu_of,
    message::{HeaderError, HeaderName, Lines, Message, Method, TokenParams, Uri},
    transaction::Prepared,
    transport::{Destination, Flow, Protocol},
};

/// What both sides know of the dialog, and the way to the watcher.
#[derive(Debug)]
pub(super) struct Dialog {
    call_id: CompactString,
    remote_tag: CompactString,
    /// The event package and its `id`.
    event: (CompactString, Option<CompactString>),
    /// Our last sequence number.
    sequence: u32,
    /// The highest one that may be used before a higher one is remembered.
    reserved: u32,
    /// The watcher's last sequence number.
    remote_sequence: u32,
    /// The request line of every NOTIFY: where the watcher takes requests, or where the phone is registered
    /// whose GRUU that is (RFC 5627 §6.1).
    line: Bytes,
    /// What the heads of all NOTIFYs of the dialog have: the proxies on the way, From, To, Call-ID, Event.
    head: Bytes,
    /// Our `Contact`.
    contact: CompactString,
    /// Where the watcher takes requests.
    target: Uri,
    reach: Reach,
}

/// The way to a watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// By which the last SUBSCRIBE came.
    Flow(Flow),
    /// Its connection is gone, and it may take another one at this address.
    Address(Protocol, std::net::SocketAddr),
    /// None, until the watcher shows up again.
    Nowhere,
}

impl Reach {
    pub(super) fn destination(self) -> Option<Destination> {
        match self {
            Self::Flow(flow) => Some(Destination::Flow(flow)),
            Self::Address(protocol, peer) => Some(Destination::Address { protocol, peer, name: None }),
            Self::Nowhere => None,
        }
    }

    /// Whether a missing answer says nothing: a connection that stands says that the watcher is there.
    pub(super) fn is_reliable(self) -> bool {
        match self {
            Self::Flow(flow) => flow.is_reliable(),
            Self::Address(protocol, _) => protocol.is_reliable(),
            Self::Nowhere => true,
        }
    }
}

/// Why a SUBSCRIBE does not fit into its dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    #[error("no such dialog")]
    Unknown,
    /// RFC 3261 §12.2.2.
    #[error("sequence number is lower than the last")]
    OutOfOrder,
    #[error(transparent)]
    Header(#[from] HeaderError),
}

impl Dialog {
    /// The dialog that an initial SUBSCRIBE begins; `tag` is ours, `contact` where we take requests.
    pub(super) fn begin(
        request: &Message,
        tag: &str,
        event: &TokenParams,
        contact: CompactString,
        flow: Flow,
    ) -> Result<Self, HeaderError> {
        let from = request.from()?;
        let routes = request.record_routes()?;
        let call_id = request.call_id()?;
        let target = request.contact()?.uri;
        let id = event.id();
        let mut head = Lines::with_capacity(HEAD).text(HeaderName::MaxForwards, "70");
        for route in routes.iter().take(ROUTES) {
            head = head.value(HeaderName::Route, route);
        }
        // `To` of the SUBSCRIBE with our tag is `From` of every NOTIFY.
        let head = head
            .value(HeaderName::From, request.to()?.with_param("tag", Some(tag)))
            .value(HeaderName::To, &from)
            .text(HeaderName::CallId, call_id)
            .texts(HeaderName::Event, &[&event.token, id.map_or("", |_| ";id="), id.unwrap_or_default()])
            .text(HeaderName::UserAgent, PRODUCT);
        Ok(Self {
            call_id: call_id.into(),
            remote_tag: from.tag().ok_or(HeaderError::Malformed(HeaderName::From))?.into(),
            event: (event.token.clone(), id.map(CompactString::from)),
            sequence: 0,
            reserved: 0,
            remote_sequence: request.cseq()?.number,
            line: line_to(&target),
            head: head.finish(),
            contact,
            target,
            reach: Reach::Flow(flow),
        })
    }

    /// Every NOTIFY of the dialog requires this option.
    pub(super) fn require(&mut self, option: &str) {
        let line = Lines::with_capacity(32).text(HeaderName::Require, option).finish();
        self.head = [self.head.as_ref(), line.as_ref()].concat().into();
    }

    /// What has to be remembered, with the numbers up to which it will be used.
    pub(super) fn save(&mut self) -> SavedDialog {
        self.reserved = self.sequence.saturating_add(BLOCK);
        let place = match self.reach {
            Reach::Flow(flow) => Some((flow.protocol, flow.peer)),
            Reach::Address(protocol, peer) => Some((protocol, peer)),
            Reach::Nowhere => None,
        };
        SavedDialog {
            call_id: self.call_id.clone(),
            remote_tag: self.remote_tag.clone(),
            event: self.event.clone(),
            sequence: self.reserved,
            remote_sequence: self.remote_sequence,
            head: self.head.clone(),
            contact: self.contact.clone(),
            target: self.target.as_str().into(),
            place: place.map(|(protocol, peer)| Place { protocol, peer }),
        }
    }

    /// Whether the numbers that are remembered are nearly used up.
    pub(super) fn needs_numbers(&self) -> bool {
        self.sequence.saturating_add(BLOCK / 4) >= self.reserved
    }

    /// The dialog as it goes on after a restart. Connections are gone then.
    pub(super) fn restore(saved: SavedDialog) -> Option<Self> {
        let target = Uri::parse(&saved.target).ok()?;
        let reach = match saved.place {
            Some(Place { protocol: Protocol::Udp, peer }) => Reach::Address(Protocol::Udp, peer),
            Some(Place { protocol: Protocol::Tcp, peer }) => listener_at(&target, peer),
            Some(Place { protocol: Protocol::Tls, .. }) | None => Reach::Nowhere,
        };
        Some(Self {
            call_id: saved.call_id,
            remote_tag: saved.remote_tag,
            event: saved.event,
            sequence: saved.sequence,
            reserved: saved.sequence,
            remote_sequence: saved.remote_sequence,
            line: line_to(&target),
            head: saved.head,
            contact: saved.contact,
            target,
            reach,
        })
    }

    /// A further SUBSCRIBE: moves the remote target and the flow (RFC 3261 §12.2.2).
    pub(super) fn refresh(
        &mut self,
        request: &Message,
        contact: CompactString,
        flow: Flow,
    ) -> Result<(), Misfit> {
        self.check(request)?;
        if request.has(HeaderName::Contact) {
            self.target = request.contact()?.uri;
            self.line = line_to(&self.target);
        }
        self.remote_sequence = request.cseq()?.number;
        self.contact = contact;
        self.reach = Reach::Flow(flow);
        Ok(())
    }

    /// Whether a SUBSCRIBE belongs here and is new.
    fn check(&self, request: &Message) -> Result<(), Misfit> {
        if request.call_id()? != self.call_id || request.from()?.tag() != Some(&self.remote_tag) {
            return Err(Misfit::Unknown);
        }
        let event = request.event()?.ok_or(HeaderError::Missing(HeaderName::Event))?;
        let (package, id) = &self.event;
        if !event.token.eq_ignore_ascii_case(package) || event.id() != id.as_deref() {
            return Err(Misfit::Unknown);
        }
        if request.cseq()?.number <= self.remote_sequence {
            return Err(Misfit::OutOfOrder);
        }
        Ok(())
    }

    /// The way to the watcher.
    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// The watcher is reached by this connection from now on.
    pub(super) fn set_reach(&mut self, reach: Reach) {
        self.reach = reach;
    }

    /// Where the watcher takes requests.
    pub(super) fn target(&self) -> &Uri {
        &self.target
    }

    /// Whether the watcher takes requests at a GRUU, which may be one of ours.
    pub(super) fn has_gruu(&self) -> bool {
        gruu_of(&self.target).is_some()
    }

    /// The GRUU of the watcher leads there.
    pub(super) fn aim(&mut self, contact: &Uri) {
        self.line = line_to(contact);
    }

    /// Its connection is gone. A watcher whose `Contact` is another port of the host that it came from
    /// listens there; anything else would be a connection to wherever somebody wrote it should go.
    pub(super) fn lose_flow(&mut self) {
        let Reach::Flow(gone) = self.reach else { return };
        self.reach = match gone.protocol {
            Protocol::Tcp => listener_at(&self.target, gone.peer),
            Protocol::Udp | Protocol::Tls => Reach::Nowhere,
        };
    }

    /// The next NOTIFY. `tag` names the state that the watcher has afterwards; `rates` are parameters of
    /// `Subscription-State`.
    pub(super) fn notify(
        &mut self,
        state: State,
        rates: &str,
        tag: &str,
        document: Option<Document>,
    ) -> Prepared {
        self.sequence = self.sequence.saturating_add(1);
        let own = Lines::with_capacity(OWN + self.contact.len() + rates.len())
            .number(HeaderName::CSeq, "", self.sequence.into(), " NOTIFY")
            .text(HeaderName::Contact, &self.contact);
        let own = match state {
            State::Active { expires } => {
                own.number(HeaderName::SubscriptionState, "active;expires=", expires, rates)
            }
            State::Pending { expires } => {
                own.number(HeaderName::SubscriptionState, "pending;expires=", expires, rates)
            }
            // It has no `expires` (RFC 6665 §4.1.3).
            State::Terminated(ended) => {
                own.texts(HeaderName::SubscriptionState, &["terminated;reason=", ended.as_str()])
            }
        };
        let own = own.text(HeaderName::SipEtag, tag);
        let (media_type, body) = match &document {
            Some(document) => (document.media_type.as_str(), document.body.clone()),
            None => ("", Bytes::new()),
        };
        let own = own.finish_head(media_type, &body);
        Prepared::new(Method::Notify, self.line.clone(), self.head.clone(), own, body)
    }
}

/// What is remembered of a dialog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedDialog {
    call_id: CompactString,
    remote_tag: CompactString,
    event: (CompactString, Option<CompactString>),
    sequence: u32,
    remote_sequence: u32,
    head: Bytes,
    contact: CompactString,
    target: CompactString,
    place: Option<Place>,
}

/// Where a watcher that came from `peer` over TCP takes a new connection: at another port of the same host.
fn listener_at(target: &Uri, peer: std::net::SocketAddr) -> Reach {
    match Destination::from_uri(target) {
        Some(Destination::Address { protocol: Protocol::Tcp, peer: named, .. })
            if named.ip().to_canonical() == peer.ip().to_canonical() && named.port() != peer.port() =>
        {
            Reach::Address(Protocol::Tcp, named)
        }
        _ => Reach::Nowhere,
    }
}

fn line_to(target: &Uri) -> Bytes {
    Lines::request(&Method::Notify, target).finish()
}

/// Sequence numbers that are reserved at a time.
const BLOCK: u32 = 64;
/// Most proxies between us and a watcher.
const ROUTES: usize = 16;
/// Room for what most dialogs repeat.
const HEAD: usize = 384;
/// Room for the lines that differ, our `Contact` left out.
const OWN: usize = 212;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{
        message::Limits,
        subscription::notifier::Ended,
        transport::{Flow, Protocol},
    };

    fn parse(text: String) -> Message {
        Message::parse_datagram(text.into(), &Limits::default()).unwrap()
    }

    fn subscribe(watcher: &str, to_tag: &str, number: u32, lines: &str) -> Message {
        parse(format!(
            "SUBSCRIBE sip:alice@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             From: \"{watcher}\" <sip:{watcher}@example.org>;tag={watcher}\r\n\
             To: <sip:alice@example.org>{to_tag}\r\nCall-ID: of {watcher}\r\nCSeq: {number} SUBSCRIBE\r\n{lines}\r\n"
        ))
    }

    fn begin(request: &Message, flow: Flow) -> Dialog {
        let event = request.event().unwrap().unwrap();
        Dialog::begin(request, "ours", &event, "<sip:server>".into(), flow).unwrap()
    }

    fn flow() -> Flow {
        Flow::for_test(Protocol::Udp, ([192, 0, 2, 1], 5060).into(), 1)
    }

    #[test]
    fn one_document_goes_to_each_watcher_under_his_own_head() {
        let lines = "Contact: <sip:bob@192.0.2.1:5070;x=y>\r\nEvent: presence;id=7\r\n\
                     Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n";
        let mut bob = begin(&subscribe("bob", "", 1, lines), flow());
        let lines = "Contact: <sip:carol@192.0.2.2>\r\nEvent: presence\r\n";
        let mut carol = begin(&subscribe("carol", "", 1, lines), flow());
        let document = Document {
            media_type: "application/pidf+xml".into(),
            body: Bytes::from_static(b"<presence/>"),
            tag: "t1".into(),
        };
        bob.notify(State::Pending { expires: 9 }, "", "0", None);
        let to_bob = bob.notify(State::Active { expires: 600 }, "", "t1", Some(document.clone()));
        let to_carol = carol.notify(State::Active { expires: 30 }, ";max-rate=1", "t1", Some(document));
        assert_eq!(
            to_bob.text(),
            format!(
                "NOTIFY sip:bob@192.0.2.1:5070;x=y SIP/2.0\r\nMax-Forwards: 70\r\nRoute: <sip:p1;lr>\r\n\
                 Route: <sip:p2;lr>\r\nFrom: <sip:alice@example.org>;tag=ours\r\n\
                 To: \"bob\" <sip:bob@example.org>;tag=bob\r\nCall-ID: of bob\r\nEvent: presence;id=7\r\n\
                 User-Agent: {PRODUCT}\r\nCSeq: 2 NOTIFY\r\nContact: <sip:server>\r\n\
                 Subscription-State: active;expires=600\r\nSIP-ETag: t1\r\nContent-Type: application/pidf+xml\r\n\
                 Content-Length: 11\r\n\r\n<presence/>"
            )
        );
        let to_carol = parse(to_carol.text());
        assert_eq!(to_carol.to().unwrap().tag(), Some("carol"));
        assert_eq!(to_carol.call_id(), Ok("of carol"));
        assert_eq!((to_carol.cseq().unwrap().number, to_carol.body()), (1, "<presence/>".into()));
        assert_eq!(to_carol.text(HeaderName::Event).as_deref(), Some("presence"));
        assert_eq!(
            to_carol.text(HeaderName::SubscriptionState).as_deref(),
            Some("active;expires=30;max-rate=1")
        );
        assert!(!to_carol.has(HeaderName::Route));
    }

    #[test]
    fn a_later_subscribe_moves_the_target_and_a_strange_one_nothing() {
        let lines = "Contact: <sip:bob@192.0.2.1>\r\nEvent: presence;id=7\r\n";
        let mut dialog = begin(&subscribe("bob", "", 5, lines), flow());
        let moved = "Contact: <sip:bob@192.0.2.9>\r\nEvent: presence;id=7\r\n";
        let refresh = |dialog: &mut Dialog, watcher, number, lines| {
            dialog.refresh(&subscribe(watcher, ";tag=ours", number, lines), "<sip:moved>".into(), flow())
        };
        assert_eq!(refresh(&mut dialog, "mallory", 6, moved), Err(Misfit::Unknown));
        assert_eq!(refresh(&mut dialog, "bob", 6, "Event: presence;id=8\r\n"), Err(Misfit::Unknown));
        assert_eq!(refresh(&mut dialog, "bob", 5, moved), Err(Misfit::OutOfOrder));
        assert_eq!(refresh(&mut dialog, "bob", 6, moved), Ok(()));
        let last = parse(dialog.notify(State::Terminated(Ended::Timeout), "", "0", None).text());
        assert_eq!(last.request_uri().unwrap().as_str(), "sip:bob@192.0.2.9");
        assert_eq!(last.text(HeaderName::Contact).as_deref(), Some("<sip:moved>"));
        assert_eq!(last.text(HeaderName::SubscriptionState).as_deref(), Some("terminated;reason=timeout"));
        assert_eq!((last.has(HeaderName::ContentType), last.body().len()), (false, 0));
    }

    #[test]
    fn a_lost_connection_is_made_anew_only_to_where_it_came_from() {
        let tcp = Flow::for_test(Protocol::Tcp, ([192, 0, 2, 1], 40_000).into(), 1);
        let again = Reach::Address(Protocol::Tcp, ([192, 0, 2, 1], 5070).into());
        for (contact, flow, expected) in [
            ("sip:bob@192.0.2.1:5070;transport=tcp", tcp, again),
            ("sip:bob@192.0.2.1:40000;transport=tcp", tcp, Reach::Nowhere),
            ("sip:bob@192.0.2.7:5070;transport=tcp", tcp, Reach::Nowhere),
            ("sip:bob@192.0.2.1:5070", tcp, Reach::Nowhere),
            ("sip:bob@example.org;transport=tcp", tcp, Reach::Nowhere),
        ] {
            let lines = format!("Contact: <{contact}>\r\nEvent: presence\r\n");
            let mut dialog = begin(&subscribe("bob", "", 1, &lines), flow);
            dialog.lose_flow();
            assert_eq!(dialog.reach(), expected, "{contact}");
        }
    }
}
