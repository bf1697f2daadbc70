//! The dialog of a subscription, from the notifier's side (RFC 6665 §4.4.1, RFC 3261 §12).

use bytes::Bytes;
use compact_str::CompactString;

use super::notifier::State;
use crate::{
    formats::pidf,
    sip::{
        answer::PRODUCT,
        message::{HeaderError, HeaderName, Lines, Message, Method, TokenParams, Uri},
        transaction::Prepared,
        transport::Flow,
    },
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
    /// The watcher's last sequence number.
    remote_sequence: u32,
    /// The request line of every NOTIFY: where the watcher takes requests.
    line: Bytes,
    /// What the heads of all NOTIFYs of the dialog have: the proxies on the way, From, To, Call-ID, Event.
    head: Bytes,
    /// Our `Contact`.
    contact: CompactString,
    /// By which the last SUBSCRIBE came.
    pub(super) flow: Flow,
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
        let mut head = Lines::with_capacity(HEAD).text(HeaderName::MaxForwards, "70");
        for route in routes.iter().take(ROUTES) {
            head = head.value(HeaderName::Route, route);
        }
        // `To` of the SUBSCRIBE with our tag is `From` of every NOTIFY.
        let head = head
            .value(HeaderName::From, request.to()?.with_param("tag", Some(tag)))
            .value(HeaderName::To, &from)
            .text(HeaderName::CallId, &call_id)
            .value(HeaderName::Event, &event)
            .text(HeaderName::UserAgent, PRODUCT);
        Ok(Self {
            call_id: call_id.into(),
            remote_tag: from.tag().ok_or(HeaderError::Malformed(HeaderName::From))?.into(),
            event: (event.token.clone(), event.id().map(CompactString::from)),
            sequence: 0,
            remote_sequence: request.cseq()?.number,
            line: line_to(&request.contact()?.uri),
            head: head.finish(),
            contact,
            flow,
        })
    }

    /// A further SUBSCRIBE: moves the remote target and the flow (RFC 3261 §12.2.2).
    pub(super) fn refresh(
        &mut self,
        request: &Message,
        contact: CompactString,
        flow: Flow,
    ) -> Result<(), Misfit> {
        if request.call_id()? != self.call_id || request.from()?.tag() != Some(&self.remote_tag) {
            return Err(Misfit::Unknown);
        }
        let event = request.event()?.ok_or(HeaderError::Missing(HeaderName::Event))?;
        let (package, id) = &self.event;
        if !event.token.eq_ignore_ascii_case(package) || event.id() != id.as_deref() {
            return Err(Misfit::Unknown);
        }
        let sequence = request.cseq()?.number;
        if sequence <= self.remote_sequence {
            return Err(Misfit::OutOfOrder);
        }
        if request.has(HeaderName::Contact) {
            self.line = line_to(&request.contact()?.uri);
        }
        self.remote_sequence = sequence;
        self.contact = contact;
        self.flow = flow;
        Ok(())
    }

    /// The next NOTIFY.
    pub(super) fn notify(&mut self, state: State, document: Option<Bytes>) -> Prepared {
        self.sequence = self.sequence.saturating_add(1);
        let own = Lines::with_capacity(OWN + self.contact.len())
            .number(HeaderName::CSeq, "", self.sequence.into(), " NOTIFY")
            .text(HeaderName::Contact, &self.contact);
        let own = match state {
            State::Active { expires } => {
                own.number(HeaderName::SubscriptionState, "active;expires=", expires, "")
            }
            State::Pending { expires } => {
                own.number(HeaderName::SubscriptionState, "pending;expires=", expires, "")
            }
            // It has no `expires` (RFC 6665 §4.1.3).
            State::Terminated(ended) => {
                own.texts(HeaderName::SubscriptionState, &["terminated;reason=", ended.as_str()])
            }
        };
        let media_type = if document.is_some() { pidf::MEDIA_TYPE } else { "" };
        let document = document.unwrap_or_default();
        let own = own.finish_head(media_type, &document);
        Prepared::new(Method::Notify, self.line.clone(), [self.head.clone(), own, document])
    }
}

fn line_to(target: &Uri) -> Bytes {
    Lines::request(&Method::Notify, target).finish()
}

/// Most proxies between us and a watcher.
const ROUTES: usize = 16;
/// Room for what most dialogs repeat.
const HEAD: usize = 384;
/// Room for the lines that differ, our `Contact` left out.
const OWN: usize = 176;
