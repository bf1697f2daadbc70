//! A refusal of an account as a status code (RFC 7247 §6 and our own words of the same meaning).

use crate::{
    signal::{Reason, Reject},
    sip::{answer::Refusal, message::HeaderName},
};

/// The response that says what the account says.
pub(in crate::sip) fn refusal_of(reject: &Reject) -> Refusal {
    let status = status_of(reject.reason);
    let mut refusal = Refusal::new(status);
    match (reject.retry_after, reject.reason) {
        (Some(seconds), _) => refusal = refusal.with(HeaderName::RetryAfter, seconds),
        (None, Reason::Overloaded) => refusal = refusal.with(HeaderName::RetryAfter, RETRY_AFTER),
        _ => {}
    }
    match reject.reason {
        Reason::UnsupportedMedia => refusal = refusal.with(HeaderName::Accept, super::ACCEPT),
        Reason::Unsupported => refusal = refusal.with(HeaderName::Allow, crate::sip::answer::ALLOW),
        _ => {}
    }
    if let Some(text) = &reject.text {
        // RFC 3261 §20.43: 399 is for words of any kind.
        let words: String = text.chars().filter(|c| !matches!(c, '"' | '\\' | '\r' | '\n')).collect();
        refusal = refusal.with(HeaderName::Warning, format!("399 rollcall \"{words}\""));
    }
    refusal
}

fn status_of(reason: Reason) -> u16 {
    match reason {
        Reason::Malformed | Reason::Conflict => 400,
        Reason::NotAuthenticated => 401,
        Reason::Forbidden | Reason::PolicyViolation | Reason::Blocked => 403,
        Reason::NotFound | Reason::RemoteNotFound => 404,
        Reason::NoSession => 480,
        Reason::NotAcceptable => 488,
        Reason::UnsupportedMedia => 415,
        Reason::TooLarge => 513,
        Reason::Overloaded => 503,
        Reason::Timeout | Reason::RemoteTimeout => 408,
        Reason::Gone => 410,
        Reason::Unsupported => 405,
        Reason::Unexpected => 491,
        Reason::Busy => 486,
        Reason::Declined => 603,
        Reason::Internal => 500,
    }
}

/// Seconds after which an overloaded account may be asked again.
const RETRY_AFTER: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::{Limits, Message};

    #[test]
    fn refusal_has_the_headers_of_its_status() {
        let text = "MESSAGE sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:b@h>;tag=1\r\n\
                    To: <sip:a@h>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n\r\n";
        let request = Message::parse_datagram(text.into(), &Limits::default()).unwrap();
        for (reject, lines) in [
            (Reject::from(Reason::NoSession), vec!["SIP/2.0 480 "]),
            (Reject::from(Reason::Overloaded), vec!["SIP/2.0 503 ", "\r\nRetry-After: 5\r\n"]),
            (Reject::from(Reason::UnsupportedMedia), vec!["SIP/2.0 415 ", "\r\nAccept: text/plain"]),
            (
                Reject::with_text(Reason::Forbidden, "not \"you\"\r\nX: y"),
                vec!["SIP/2.0 403 ", "\r\nWarning: 399 rollcall \"not youX: y\"\r\n"],
            ),
        ] {
            let response = refusal_of(&reject).response(&request, "t");
            let text = String::from_utf8(response.bytes().to_vec()).unwrap();
            for line in lines {
                assert!(text.contains(line), "{line} in {text}");
            }
        }
    }
}
