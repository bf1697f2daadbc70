//! Stanza errors (RFC 6120 §8.3) and refusals.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::admin::AdminError;
use crate::auth::AuthError;
use crate::signal::{Reason, Reject};
use crate::xmpp::stanza::{CLIENT, Stanza, print_text};

/// A stanza error to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::xmpp) struct Refusal {
    /// `type` of the error: what the sender can do about it.
    pub(in crate::xmpp) advice: &'static str,
    /// The element name of the condition.
    pub(in crate::xmpp) condition: &'static str,
    pub(in crate::xmpp) text: Option<CompactString>,
    /// A more special condition of some extension, as it is printed.
    pub(in crate::xmpp) detail: Option<Cow<'static, str>>,
}

/// What was refused: the same reason has different names for a stanza and for a request to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::xmpp) enum Scope {
    /// A stanza to somebody else. Whether that account exists must not show (RFC 6121 §8.5.1).
    Routed,
    /// A request that the server answers itself.
    Own,
}

impl Refusal {
    pub(in crate::xmpp) const BAD_REQUEST: Self = Self::new("modify", "bad-request");
    pub(in crate::xmpp) const JID_MALFORMED: Self = Self::new("modify", "jid-malformed");
    pub(in crate::xmpp) const SERVICE_UNAVAILABLE: Self = Self::new("cancel", "service-unavailable");
    pub(in crate::xmpp) const ITEM_NOT_FOUND: Self = Self::new("cancel", "item-not-found");
    pub(in crate::xmpp) const INTERNAL: Self = Self::new("wait", "internal-server-error");
    pub(in crate::xmpp) const NOT_ACCEPTABLE: Self = Self::new("modify", "not-acceptable");

    pub(in crate::xmpp) const NOT_ALLOWED: Self = Self::new("cancel", "not-allowed");
    pub(in crate::xmpp) const FORBIDDEN: Self = Self::new("auth", "forbidden");
    pub(in crate::xmpp) const CONFLICT: Self = Self::new("cancel", "conflict");

    pub(in crate::xmpp) const fn new(advice: &'static str, condition: &'static str) -> Self {
        Self { advice, condition, text: None, detail: None }
    }

    /// The same with a more special condition, as it is printed.
    pub(in crate::xmpp) fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The error for a refusal.
    pub(in crate::xmpp) fn from_reject(reject: &Reject, scope: Scope) -> Self {
        let (advice, condition) = condition_of(reject.reason, scope);
        let detail = (reject.reason == Reason::Blocked).then_some(Cow::Borrowed(BLOCKED));
        Self { advice, condition, text: reject.text.clone(), detail }
    }

    /// Appends the `<error/>` element.
    pub(in crate::xmpp) fn print(&self, out: &mut Vec<u8>) {
        let Self { advice, condition, .. } = self;
        let start = format!("<error type='{advice}'><{condition} xmlns='{STANZAS}'/>");
        out.extend_from_slice(start.as_bytes());
        if let Some(text) = &self.text {
            out.extend_from_slice(format!("<text xmlns='{STANZAS}' xml:lang='en'>").as_bytes());
            print_text(text, out);
            out.extend_from_slice(b"</text>");
        }
        out.extend_from_slice(self.detail.as_deref().unwrap_or_default().as_bytes());
        out.extend_from_slice(b"</error>");
    }
}

/// How a client is told why something was not done for it.
impl From<AdminError> for Refusal {
    fn from(fault: AdminError) -> Self {
        let base = match &fault {
            AdminError::Refused(reject) => return Self::from_reject(reject, Scope::Own),
            AdminError::Auth(AuthError::NoSuchAccount)
            | AdminError::NoSuchDevice
            | AdminError::NoSuchReport => Self::ITEM_NOT_FOUND,
            AdminError::Auth(AuthError::AccountExists) => Self::CONFLICT,
            AdminError::Auth(AuthError::Password | AuthError::Limit(_))
            | AdminError::Announcement
            | AdminError::Domain { .. }
            | AdminError::UnknownSetting(_)
            | AdminError::Value { .. } => Self::NOT_ACCEPTABLE,
            AdminError::Auth(_) => return Self::INTERNAL,
        };
        Self { text: Some(fault.to_string().into()), ..base }
    }
}

fn condition_of(reason: Reason, scope: Scope) -> (&'static str, &'static str) {
    match reason {
        Reason::Malformed => ("modify", "bad-request"),
        Reason::NotAuthenticated => ("auth", "not-authorized"),
        Reason::Forbidden => ("auth", "forbidden"),
        Reason::NotFound if scope == Scope::Own => ("cancel", "item-not-found"),
        Reason::NotFound | Reason::NoSession => ("cancel", "service-unavailable"),
        Reason::NotAcceptable | Reason::UnsupportedMedia => ("modify", "not-acceptable"),
        Reason::TooLarge | Reason::PolicyViolation => ("modify", "policy-violation"),
        Reason::Overloaded => ("wait", "resource-constraint"),
        Reason::Timeout | Reason::RemoteTimeout => ("wait", "remote-server-timeout"),
        Reason::RemoteNotFound => ("cancel", "remote-server-not-found"),
        Reason::Gone => ("cancel", "gone"),
        Reason::Conflict => ("cancel", "conflict"),
        Reason::Unsupported => ("cancel", "feature-not-implemented"),
        Reason::Unexpected => ("wait", "unexpected-request"),
        Reason::Busy | Reason::Declined => ("wait", "recipient-unavailable"),
        Reason::Internal => ("wait", "internal-server-error"),
        Reason::Blocked => ("cancel", "not-acceptable"),
    }
}

/// What the error in a stanza of type error says.
pub(super) fn parse(stanza: &Stanza) -> Reject {
    let error = stanza.child("error", CLIENT).and_then(|error| error.to_element());
    let Some(error) = error else { return Reason::Internal.into() };
    let condition = error.children().find(|child| child.ns() == STANZAS && child.name() != "text");
    let reason = condition.map_or(Reason::Internal, |condition| reason_of(condition.name()));
    let text = error.get_child("text", STANZAS).map(|text| CompactString::from(text.text()));
    Reject { reason, text, retry_after: None }
}

fn reason_of(condition: &str) -> Reason {
    match condition {
        "bad-request" | "jid-malformed" | "undefined-condition" => Reason::Malformed,
        "not-authorized" | "registration-required" | "subscription-required" => Reason::NotAuthenticated,
        "forbidden" => Reason::Forbidden,
        "item-not-found" => Reason::NotFound,
        "recipient-unavailable" | "service-unavailable" => Reason::NoSession,
        "not-acceptable" => Reason::NotAcceptable,
        "not-allowed" | "policy-violation" => Reason::PolicyViolation,
        "resource-constraint" => Reason::Overloaded,
        "remote-server-timeout" => Reason::RemoteTimeout,
        "remote-server-not-found" => Reason::RemoteNotFound,
        "gone" | "redirect" => Reason::Gone,
        "conflict" => Reason::Conflict,
        "feature-not-implemented" => Reason::Unsupported,
        "unexpected-request" => Reason::Unexpected,
        _ => Reason::Internal,
    }
}

/// XEP-0191 §3.2: the sender himself has blocked whom it was for.
const BLOCKED: &str = "<blocked xmlns='urn:xmpp:blocking:errors'/>";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_an_account_exists_does_not_show() {
        let condition = |reason: Reason, scope| Refusal::from_reject(&reason.into(), scope).condition;
        assert_eq!(condition(Reason::NotFound, Scope::Routed), condition(Reason::NoSession, Scope::Routed));
        assert_eq!(condition(Reason::NotFound, Scope::Own), "item-not-found");
    }

    #[test]
    fn conditions_are_read_back_as_they_were_written() {
        for reason in [
            Reason::Malformed,
            Reason::NotAuthenticated,
            Reason::Forbidden,
            Reason::NoSession,
            Reason::NotAcceptable,
            Reason::PolicyViolation,
            Reason::Overloaded,
            Reason::RemoteTimeout,
            Reason::RemoteNotFound,
            Reason::Gone,
            Reason::Conflict,
            Reason::Unsupported,
            Reason::Unexpected,
            Reason::Internal,
        ] {
            assert_eq!(reason_of(condition_of(reason, Scope::Routed).1), reason);
        }
    }

    #[test]
    fn words_for_people_are_escaped() {
        let mut out = Vec::new();
        Refusal::from_reject(&Reject::with_text(Reason::Forbidden, "a<b"), Scope::Own).print(&mut out);
        let text = String::from_utf8(out).expect("utf-8");
        assert!(text.starts_with("<error type='auth'><forbidden xmlns="), "{text}");
        assert!(text.ends_with(">a&lt;b</text></error>"), "{text}");
    }
}
