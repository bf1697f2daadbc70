//! The words of the JSON for the small closed sets of the vocabulary, one table per set.

use serde::{Serialize, Serializer};

use crate::{
    account::{CloseReason, Copy, Sent, SessionKind},
    signal::{Activity, Availability, MessageKind, ReceiptKind, Typing},
};

pub(in crate::api) fn availability(availability: Availability) -> &'static str {
    match availability {
        Availability::Offline => "offline",
        Availability::ExtendedAway => "extended-away",
        Availability::Away => "away",
        Availability::Online => "online",
        Availability::Busy => "busy",
    }
}

pub(in crate::api) fn parse_availability(word: &str) -> Option<Availability> {
    use Availability::{Away, Busy, ExtendedAway, Offline, Online};
    [Offline, ExtendedAway, Away, Online, Busy].into_iter().find(|choice| availability(*choice) == word)
}

pub(in crate::api) fn activity(activity: &Activity) -> &str {
    match activity {
        Activity::OnThePhone => "on-the-phone",
        Activity::Named(name) => name,
    }
}

pub(in crate::api) fn kind(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Chat => "chat",
        MessageKind::Normal => "normal",
        MessageKind::Headline => "headline",
        MessageKind::Group => "group",
        MessageKind::Error => "error",
    }
}

/// The kinds that a client may send: errors are made by servers, and there are no rooms.
pub(in crate::api) fn parse_kind(word: &str) -> Option<MessageKind> {
    [MessageKind::Chat, MessageKind::Normal, MessageKind::Headline]
        .into_iter()
        .find(|choice| kind(*choice) == word)
}

pub(in crate::api) fn typing(typing: Typing) -> &'static str {
    match typing {
        Typing::Active => "active",
        Typing::Composing => "composing",
        Typing::Paused => "paused",
        Typing::Inactive => "inactive",
        Typing::Gone => "gone",
    }
}

pub(in crate::api) fn parse_typing(word: &str) -> Option<Typing> {
    use Typing::{Active, Composing, Gone, Inactive, Paused};
    [Active, Composing, Paused, Inactive, Gone].into_iter().find(|choice| typing(*choice) == word)
}

pub(in crate::api) fn receipt(kind: ReceiptKind) -> &'static str {
    match kind {
        ReceiptKind::Delivered => "delivered",
        ReceiptKind::Displayed => "displayed",
        ReceiptKind::Retracted => "retracted",
    }
}

pub(in crate::api) fn parse_receipt(word: &str) -> Option<ReceiptKind> {
    [ReceiptKind::Delivered, ReceiptKind::Displayed].into_iter().find(|choice| receipt(*choice) == word)
}

pub(in crate::api) fn copy(copy: Copy) -> &'static str {
    match copy {
        Copy::Original => "original",
        Copy::Received => "received",
        Copy::Sent => "sent",
        Copy::Offline => "offline",
    }
}

pub(in crate::api) fn sent(sent: Sent) -> &'static str {
    match sent {
        Sent::Delivered => "delivered",
        Sent::Stored => "stored",
        Sent::Accepted => "accepted",
    }
}

pub(in crate::api) fn session_kind(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Client => "client",
        SessionKind::Device => "device",
        SessionKind::Page => "page",
        SessionKind::Publication => "publication",
    }
}

pub(in crate::api) fn close_reason(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Replaced => "replaced",
        CloseReason::AccountGone => "account-gone",
        CloseReason::CredentialsChanged => "credentials-changed",
        CloseReason::TooSlow => "too-slow",
        CloseReason::TooMany => "too-many",
        CloseReason::Ended => "ended",
        CloseReason::Shutdown => "shutdown",
        CloseReason::Fault => "fault",
    }
}

/// Serialises a value as the text it prints.
pub(in crate::api) fn text<T: std::fmt::Display, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Serialises what may be missing as the text it prints, or as null.
pub(in crate::api) fn optional_text<T: std::fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(serializer)
}
