//! What a SUBSCRIBE asks for (RFC 6665 §4.2.1.1), and the answer that grants it.

use std::time::Duration;

use compact_str::CompactString;

use super::{Subscriptions, entry::Condition, list::EVENTLIST, rate::Rates};
use crate::{
    formats::{dialoginfo::Identifier, pidf},
    signal::Timestamp,
    sip::{
        answer::{Refusal, answer, check_require},
        document_watch::Mode,
        events::{PACKAGES, Package},
        message::{HeaderName, Message, TokenParams},
        resource_list::RECIPIENT_LIST_SUBSCRIBE,
        transaction::IncomingRequest,
        translate::address_of,
    },
};

/// A SUBSCRIBE that was found well-formed.
pub(super) struct Asked {
    pub(super) package: Package,
    /// Of a presence document.
    pub(super) format: pidf::Format,
    pub(super) event: TokenParams,
    pub(super) duration: Duration,
    pub(super) rates: Option<Rates>,
    pub(super) condition: Option<Condition>,
    /// How changes of documents are to be told.
    pub(super) mode: Mode,
    /// Whoever is watched must not learn by whom (RFC 3323, RFC 3325).
    pub(super) is_anonymous: bool,
}

impl Subscriptions {
    /// The event package, the duration, the formats and the conditions that are asked for.
    pub(super) fn check(&self, request: &IncomingRequest) -> Result<Asked, Refusal> {
        let message = &request.message;
        check_require(request, &[EVENTLIST, RECIPIENT_LIST_SUBSCRIBE])?;
        let bad_event = || Refusal::new(489).with(HeaderName::AllowEvents, PACKAGES);
        let event = message.event()?.ok_or_else(bad_event)?;
        let package = Package::parse(&event.token).ok_or_else(bad_event)?;
        if package == Package::Watchers && !self.accounts.has_watcher_info() {
            return Err(bad_event());
        }
        let format = package.choose(message.accept()?.as_deref());
        let format =
            format.ok_or_else(|| Refusal::new(406).with(HeaderName::Accept, package.media_types()))?;
        let duration = Duration::from_secs(self.limits.expires.grant(message.expires())?.into());
        let rates = Rates::read(&event.params, self.limits.interval, duration);
        let condition = message.values(HeaderName::SuppressIfMatch).next();
        let condition = condition.map(|text| Condition::parse(&text));
        let is_anonymous = wants_privacy(message)?;
        let mode = Mode::read(&event);
        Ok(Asked { package, format, event, duration, rates, condition, mode, is_anonymous })
    }
}

/// The one call that is to be followed (RFC 4235 §3.2): `to-tag` is the tag of whoever is watched.
pub(super) fn call_of(asked: &Asked) -> Option<Identifier> {
    let param = |name| asked.event.params.value(name).map(CompactString::from);
    (asked.package == Package::Calls).then_some(())?;
    Some(Identifier {
        call_id: param("call-id")?,
        local_tag: param("to-tag")?,
        remote_tag: param("from-tag"),
    })
}

/// Whether the sender hides who he is: by the name of nobody in `From`, or by asking that it be withheld.
fn wants_privacy(message: &Message) -> Result<bool, Refusal> {
    let from = address_of(&message.from()?.uri);
    let asks = |value: &str| {
        let mut levels = value.split(';').map(str::trim);
        levels.any(|level| level.eq_ignore_ascii_case("id") || level.eq_ignore_ascii_case("user"))
    };
    Ok(from.is_some_and(|from| from.is_anonymous())
        || message.values(HeaderName::Privacy).any(|value| asks(&value)))
}

/// As the sender of a request calls himself.
pub(super) fn display_of(message: &Message) -> Result<Option<CompactString>, Refusal> {
    Ok(message.from()?.display.filter(|name| !name.is_empty()))
}

/// When a subscription that is granted so long ends.
pub(super) fn until(duration: Duration) -> Timestamp {
    Timestamp::now().plus_seconds(duration.as_secs().try_into().unwrap_or(i64::MAX))
}

/// The 200 to a SUBSCRIBE (RFC 6665 §4.2.1.1), or the 204 of RFC 5839 §7.1.
pub(super) fn accepted(request: &Message, status: u16, tag: &str, contact: &str, asked: &Asked) -> Message {
    let builder = answer(request, status, tag);
    let builder = match asked.package {
        Package::PresenceList => builder.text(HeaderName::Require, EVENTLIST),
        _ => builder,
    };
    builder
        .header(HeaderName::Expires, asked.duration.as_secs())
        .copy(request, HeaderName::RecordRoute)
        .header(HeaderName::Contact, contact)
        .finish()
}
