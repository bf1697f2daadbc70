//! The dialog of a subscription, from the notifier's side (RFC 6665 §4.4.1, RFC 3261 §12).

use bytes::Bytes;
use compact_str::{CompactString, ToCompactString};
use smallvec::SmallVec;

use super::notifier::State;
use crate::{
    formats::pidf,
    sip::{
        answer::PRODUCT,
        message::{Builder, CSeq, HeaderError, HeaderName, Message, Method, TokenParams, Uri},
        transport::Flow,
    },
};

/// What both sides know of the dialog, and the way to the watcher.
#[derive(Debug)]
pub(super) struct Dialog {
    call_id: CompactString,
    /// `To` of the SUBSCRIBE with our tag: `From` of every NOTIFY.
    local: CompactString,
    /// `From` of the SUBSCRIBE with the watcher's tag.
    remote: CompactString,
    remote_tag: CompactString,
    /// Where the watcher takes requests, and the proxies on the way.
    target: Uri,
    routes: SmallVec<[CompactString; 1]>,
    /// Our last sequence number.
    sequence: u32,
    /// The watcher's last sequence number.
    remote_sequence: u32,
    /// `Event` with its `id`, as every NOTIFY repeats it.
    event: TokenParams,
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
        event: TokenParams,
        contact: CompactString,
        flow: Flow,
    ) -> Result<Self, HeaderError> {
        let from = request.from()?;
        let routes = request.record_routes()?;
        Ok(Self {
            call_id: request.call_id()?.into(),
            local: request.to()?.with_param("tag", Some(tag)).to_compact_string(),
            remote_tag: from.tag().ok_or(HeaderError::Malformed(HeaderName::From))?.into(),
            remote: from.to_compact_string(),
            target: request.contact()?.uri,
            routes: routes.iter().take(ROUTES).map(ToCompactString::to_compact_string).collect(),
            sequence: 0,
            remote_sequence: request.cseq()?.number,
            event,
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
        if !event.token.eq_ignore_ascii_case(&self.event.token) || event.id() != self.event.id() {
            return Err(Misfit::Unknown);
        }
        let sequence = request.cseq()?.number;
        if sequence <= self.remote_sequence {
            return Err(Misfit::OutOfOrder);
        }
        if request.has(HeaderName::Contact) {
            self.target = request.contact()?.uri;
        }
        self.remote_sequence = sequence;
        self.contact = contact;
        self.flow = flow;
        Ok(())
    }

    /// The next NOTIFY.
    pub(super) fn notify(&mut self, state: State, document: Option<Bytes>) -> Message {
        self.sequence = self.sequence.saturating_add(1);
        let mut builder = Builder::request(&Method::Notify, &self.target).header(HeaderName::MaxForwards, 70);
        for route in &self.routes {
            builder = builder.header(HeaderName::Route, route);
        }
        builder = builder
            .header(HeaderName::From, &self.local)
            .header(HeaderName::To, &self.remote)
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, CSeq { number: self.sequence, method: Method::Notify })
            .header(HeaderName::Contact, &self.contact)
            .header(HeaderName::Event, &self.event)
            .header(HeaderName::SubscriptionState, print_state(state))
            .header(HeaderName::UserAgent, PRODUCT);
        match document {
            Some(document) => builder.body(pidf::MEDIA_TYPE, document).finish(),
            None => builder.finish(),
        }
    }
}

/// `Subscription-State`; a terminated one has no `expires` (RFC 6665 §4.1.3).
fn print_state(state: State) -> String {
    match state {
        State::Active { expires } => format!("active;expires={expires}"),
        State::Pending { expires } => format!("pending;expires={expires}"),
        State::Terminated(ended) => format!("terminated;reason={}", ended.as_str()),
    }
}

/// Most proxies between us and a watcher.
const ROUTES: usize = 16;
