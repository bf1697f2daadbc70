//! XEP-0388: Extensible SASL Profile, its elements. The exchange is the one of RFC 6120, in
//! [`login`](super::login); what a client wants done with it comes along and is told of at its end.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use minidom::Element;

use super::management::SM;
use super::negotiation::Resume;
use super::{bind2, fast, upgrade};
use crate::auth::{Agent, FastBinding, FastToken, ScramTask, Wishes};
use crate::signal::{Address, Party};
use crate::xmpp::sasl::{Failure, Hash, Offer};
use crate::xmpp::stanza::print_text;

/// What a client wants done with its login.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    /// Which installation it is.
    pub(super) agent: Option<Agent>,
    /// Go on with an earlier stream (XEP-0198 §9).
    pub(super) resume: Option<Resume>,
    pub(super) bind: Option<bind2::Request>,
    /// It logs in by a token.
    pub(super) fast: Option<fast::Use>,
    /// It wants a token of this kind.
    pub(super) wants_token: Option<FastBinding>,
    /// SCRAM verifiers that it would make.
    pub(super) upgrades: Vec<Hash>,
}

/// One login.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) request: Request,
    /// The client proves a token, and no password.
    pub(super) by_token: bool,
    /// Who it is, once that is proved.
    pub(super) account: Option<Address>,
    /// What the client has to do before it is let in, and whether it has begun with the first of it.
    pub(super) tasks: Vec<ScramTask>,
    pub(super) is_begun: bool,
    /// What the mechanism says at its end.
    pub(super) additional: Vec<u8>,
    pub(super) token: Option<FastToken>,
    /// The refusal of a resumption.
    pub(super) refused: Vec<u8>,
}

impl Request {
    /// Reads `<authenticate/>`. What is not understood of the wishes is not fulfilled.
    pub(super) fn parse(element: &Element, offer: &Offer) -> Self {
        let agent = element.get_child("user-agent", SASL2).and_then(parse_agent);
        let wants_token = fast::parse_request(element, offer).filter(|_| agent.is_some());
        Self {
            agent,
            resume: element.get_child("resume", SM).and_then(parse_resume),
            bind: element.get_child("bind", bind2::NAMESPACE).map(bind2::Request::parse),
            fast: fast::Use::parse(element),
            wants_token,
            upgrades: upgrade::parse_request(element),
        }
    }

    /// Which client proves a token, and the count of its uses.
    pub(super) fn token_user(&self) -> Option<(String, Option<u32>)> {
        Some((self.agent.as_ref()?.id.clone(), self.fast.as_ref()?.count))
    }
}

fn parse_agent(element: &Element) -> Option<Agent> {
    let id = element.attr("id").filter(|id| (1..=LONGEST_NAME).contains(&id.len()))?;
    let text = |name: &str| {
        let text = element.get_child(name, SASL2)?.text();
        let text: String = text.trim().chars().filter(|it| !it.is_control()).take(LONGEST_TEXT).collect();
        (!text.is_empty()).then_some(text)
    };
    Some(Agent { id: id.to_owned(), software: text("software"), name: text("device") })
}

fn parse_resume(element: &Element) -> Option<Resume> {
    Some(Resume { id: element.attr("previd")?.to_owned(), handled: element.attr("h")?.parse().ok()? })
}

impl Login {
    /// Who logs in, and what it wants of the tokens.
    pub(super) fn visitor(&self) -> Option<(&Agent, Wishes)> {
        let fast = self.request.fast.as_ref();
        let wishes = Wishes {
            token: self.request.wants_token,
            ends_tokens: fast.is_some_and(|fast| fast.ends),
            by_token: self.by_token,
        };
        Some((self.request.agent.as_ref()?, wishes))
    }

    /// The element `<success/>`, with what else was negotiated.
    pub(super) fn print_success(&self, party: &Party, inline: &[u8]) -> Vec<u8> {
        let mut out = format!("<success xmlns='{SASL2}'>").into_bytes();
        if !self.additional.is_empty() {
            let data = BASE64.encode(&self.additional);
            out.extend_from_slice(format!("<additional-data>{data}</additional-data>").as_bytes());
        }
        out.extend_from_slice(b"<authorization-identifier>");
        print_text(&party.to_string(), &mut out);
        out.extend_from_slice(b"</authorization-identifier>");
        out.extend_from_slice(&self.refused);
        out.extend_from_slice(inline);
        if let Some(token) = &self.token {
            fast::print_token(token, &mut out);
        }
        out.extend_from_slice(b"</success>");
        out
    }
}

/// Appends what a stream offers before its peer has logged in (§2.1).
pub(super) fn print_feature(offer: &Offer, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("<authentication xmlns='{SASL2}'>").as_bytes());
    for name in offer.mechanisms() {
        out.extend_from_slice(format!("<mechanism>{name}</mechanism>").as_bytes());
    }
    out.extend_from_slice(b"<inline>");
    bind2::print_feature(out);
    out.extend_from_slice(format!("<sm xmlns='{SM}'/>").as_bytes());
    fast::print_feature(offer, out);
    out.extend_from_slice(b"</inline>");
    upgrade::print_feature(out);
    out.extend_from_slice(b"</authentication>");
}

/// A login that failed (§2.6.2).
pub(super) fn print_failure(failure: Failure) -> Vec<u8> {
    let condition = failure.condition();
    format!("<failure xmlns='{SASL2}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>")
        .into_bytes()
}

pub(super) const SASL2: &str = "urn:xmpp:sasl:2";
/// Bytes of the name of an installation: a UUID has 36.
const LONGEST_NAME: usize = 200;
/// Characters that are kept of what it says of itself.
const LONGEST_TEXT: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> Request {
        let text = format!("<authenticate xmlns='{SASL2}' mechanism='PLAIN'>{content}</authenticate>");
        Request::parse(&text.parse().expect("xml"), &Offer { allows_tokens: true, ..Offer::default() })
    }

    #[test]
    fn wishes_are_read() {
        let request = parse(
            "<initial-response>AA==</initial-response>\
             <user-agent id='u-1'><software> Chat </software><device>a&#9;b</device></user-agent>\
             <resume xmlns='urn:xmpp:sm:3' previd='x' h='4'/><bind xmlns='urn:xmpp:bind:0'/>\
             <fast xmlns='urn:xmpp:fast:0' count='7'/>\
             <request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>",
        );
        let agent = Agent { id: "u-1".into(), software: Some("Chat".into()), name: Some("ab".into()) };
        assert_eq!(request.agent, Some(agent));
        assert_eq!(request.resume, Some(Resume { id: "x".into(), handled: 4 }));
        assert_eq!(request.bind, Some(bind2::Request::default()));
        assert_eq!(request.token_user(), Some(("u-1".into(), Some(7))));
        assert_eq!(request.wants_token, Some(FastBinding::None));
    }

    #[test]
    fn what_makes_no_sense_is_no_wish() {
        for content in [
            "",
            "<user-agent/><user-agent id=''/>",
            "<resume xmlns='urn:xmpp:sm:3' previd='x'/>",
            "<resume xmlns='urn:xmpp:sm:3' previd='x' h='-1'/>",
            "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>",
        ] {
            assert_eq!(parse(content), Request::default(), "{content}");
        }
        let long = "x".repeat(201);
        assert_eq!(parse(&format!("<user-agent id='{long}'/>")).agent, None);
    }
}
