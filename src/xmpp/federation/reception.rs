//! A stream that another server opens (RFC 6120 §4 to §6 as the receiving entity): TLS, then the proof of every
//! domain that it speaks for, by its certificate (XEP-0178 §3) or by dialback (XEP-0220 §2.2), and the answers
//! to who asks whether a key is ours (XEP-0220 §2.4).
//!
//! Values in, [`Step`]s out. Domains are proved at any time, so this lives as long as the stream.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{
    custody::SM,
    key::Secret,
    pair::Pair,
    print::{self, BIDI, DIALBACK, SASL, TLS},
};
use crate::{
    net::Proof,
    signal::{Address, Party},
    xmpp::{
        stanza::{Header, Stanza},
        stream::{Condition, StreamError},
    },
};

/// What all streams to us have in common.
pub(super) struct Settings {
    /// The domains served here.
    pub(super) domains: Vec<Address>,
    /// Markup for the features, such as entity capabilities.
    pub(super) features: String,
    pub(super) require_tls: bool,
    pub(super) dialback: bool,
    /// Most pairs of domains on one stream.
    pub(super) pairs: usize,
    pub(super) secret: Secret,
}

impl Settings {
    fn serves(&self, domain: &Address) -> bool {
        self.domains.contains(domain)
    }
}

/// What the connection must do, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send(Vec<u8>),
    /// Write what is pending, throw away what was read, do the handshake, then call
    /// [`Reception::handle_secured`].
    StartTls,
    /// The peer opens a new stream now.
    Restart,
    /// Ask the authoritative server of the pair's remote domain about the key, then call
    /// [`Reception::handle_answer`].
    Ask {
        pair: Pair,
        stream_id: String,
        key: String,
    },
    /// The peer speaks for the pair's remote domain from now on.
    Proved(Pair),
    /// The peer ends the stream.
    Close,
}

/// What a server that we asked about a key said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Valid,
    Invalid,
    /// It could not be asked.
    None,
    /// Too much is asked already.
    Busy,
}

/// Whether a connection can or must become a secure one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Required,
    Offered,
    Done,
}

/// One stream, as far as it is about who is at its other end.
pub(super) struct Reception {
    settings: Arc<Settings>,
    allows: Arc<dyn Fn(&Address) -> bool + Send + Sync>,
    tls: Tls,
    proof: Proof,
    /// A stream header is expected.
    is_opening: bool,
    stream_id: String,
    /// The domain of ours that was asked for.
    local: Option<Address>,
    /// The domain that the peer says it is.
    remote: Option<Address>,
    /// What was proved.
    proved: Vec<Pair>,
    /// What is being asked.
    asked: Vec<Pair>,
    failures: u8,
    /// The peer takes stanzas on this stream, too.
    pub(super) is_bidirectional: bool,
}

impl Reception {
    /// A stream on a new connection, in the clear. `allows` says which domains we speak to.
    pub(super) fn new(settings: Arc<Settings>, allows: Arc<dyn Fn(&Address) -> bool + Send + Sync>) -> Self {
        let tls = if settings.require_tls { Tls::Required } else { Tls::Offered };
        Self {
            settings,
            allows,
            tls,
            proof: Proof::default(),
            is_opening: true,
            stream_id: String::new(),
            local: None,
            remote: None,
            proved: Vec::new(),
            asked: Vec::new(),
            failures: 0,
            is_bidirectional: false,
        }
    }

    /// The connection is secure, and the peer's certificate is worth this.
    pub(super) fn handle_secured(&mut self, proof: Proof) {
        self.tls = Tls::Done;
        self.proof = proof;
        self.is_opening = true;
    }

    /// Whether the other server has to open the stream, for the first time or anew.
    pub(super) fn is_opening(&self) -> bool {
        self.is_opening
    }

    /// Whether stanzas may come already.
    pub(super) fn is_proved(&self) -> bool {
        !self.proved.is_empty()
    }

    /// What was proved.
    pub(super) fn proved(&self) -> &[Pair] {
        &self.proved
    }

    /// The peer opened a stream. `stream_id` is unguessable (RFC 6120 §4.7.3).
    ///
    /// # Errors
    /// Why the stream ends; what has to be written first is appended to `out`.
    pub(super) fn handle_header(
        &mut self,
        header: &Header,
        stream_id: String,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamError> {
        let judged = self.judge_header(header);
        let local = self.local.as_ref().or_else(|| self.settings.domains.first()).map_or("", Address::domain);
        let remote = self.remote.as_ref().map(Address::domain);
        print::header(local, remote, Some(&stream_id), out);
        judged?;
        self.stream_id = stream_id;
        self.is_opening = false;
        self.print_features(out);
        Ok(())
    }

    fn judge_header(&mut self, header: &Header) -> Result<(), StreamError> {
        if !self.is_opening {
            return Err(Condition::BadFormat.into());
        }
        if !header.is_server {
            return Err(Condition::InvalidNamespace.into());
        }
        let to = header.to.as_deref().ok_or(Condition::ImproperAddressing)?;
        let to = Address::domain_only(to).map_err(|_| Condition::HostUnknown)?;
        if !self.settings.serves(&to) {
            return Err(Condition::HostUnknown.into());
        }
        self.local = Some(to);
        if !header.version.as_deref().is_some_and(|version| version.starts_with("1.")) {
            return Err(Condition::UnsupportedVersion.into());
        }
        let from = header.from.as_deref().map(Address::domain_only).transpose();
        let from = from.map_err(|_| Condition::InvalidFrom)?;
        if self.is_proved() && from.is_some() && from != self.remote {
            return Err(Condition::InvalidFrom.into());
        }
        self.remote = from.or_else(|| self.remote.take());
        match &self.remote {
            Some(remote) if !self.is_welcome(remote) => {
                Err(StreamError::with_text(Condition::PolicyViolation, "we do not talk to this domain"))
            }
            _ => Ok(()),
        }
    }

    /// Whether somebody may say that he is this domain at all.
    fn is_welcome(&self, domain: &Address) -> bool {
        (self.allows)(domain) && !self.settings.serves(domain)
    }

    fn print_features(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<stream:features>");
        match self.tls {
            Tls::Required => {
                out.extend_from_slice(format!("<starttls xmlns='{TLS}'><required/></starttls>").as_bytes());
            }
            Tls::Offered => out.extend_from_slice(format!("<starttls xmlns='{TLS}'/>").as_bytes()),
            Tls::Done => {}
        }
        if self.tls != Tls::Required {
            let has_proved = self.is_proved();
            if !has_proved && self.remote.as_ref().is_some_and(|remote| self.has_certificate_for(remote)) {
                let mechanisms =
                    format!("<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>");
                out.extend_from_slice(mechanisms.as_bytes());
            }
            if !has_proved {
                out.extend_from_slice(b"<bidi xmlns='urn:xmpp:features:bidi'/>");
            }
            if has_proved || self.settings.dialback {
                // No features follow on a key (XEP-0220 §2.1.2), and stanzas may come then.
                out.extend_from_slice(format!("<sm xmlns='{SM}'/>").as_bytes());
            }
            if self.settings.dialback {
                out.extend_from_slice(b"<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>");
            }
            out.extend_from_slice(self.settings.features.as_bytes());
        }
        out.extend_from_slice(b"</stream:features>");
    }

    /// Whether the peer's certificate is for this domain: by a DNS name, a name of the service (RFC 4985) or an
    /// address of XMPP (RFC 6120 §13.7.1.4).
    fn has_certificate_for(&self, domain: &Address) -> bool {
        is_certificate_for(&self.proof, domain)
    }

    /// The peer sent a first-level element that is no stanza.
    ///
    /// # Errors
    /// Why the stream ends.
    pub(super) fn handle_element(&mut self, element: &Stanza) -> Result<Vec<Step>, StreamError> {
        match (element.name(), &*element.namespace()) {
            ("starttls", TLS) if self.tls == Tls::Done || self.is_proved() => {
                let refusal = format!("<failure xmlns='{TLS}'/></stream:stream>");
                Ok(vec![Step::Send(refusal.into_bytes()), Step::Close])
            }
            ("starttls", TLS) => {
                let proceed = format!("<proceed xmlns='{TLS}'/>");
                Ok(vec![Step::Send(proceed.into_bytes()), Step::StartTls])
            }
            _ if self.tls == Tls::Required => {
                Err(StreamError::with_text(Condition::PolicyViolation, "TLS comes first"))
            }
            ("auth", SASL) => self.handle_auth(element),
            ("bidi", BIDI) if !self.is_proved() => {
                self.is_bidirectional = true;
                Ok(Vec::new())
            }
            ("result", DIALBACK) => self.handle_key(element),
            ("verify", DIALBACK) => self.handle_question(element).map(|answer| vec![Step::Send(answer)]),
            _ => Err(Condition::UnsupportedStanzaType.into()),
        }
    }

    /// The peer wants its certificate to count (XEP-0178 §3).
    fn handle_auth(&mut self, element: &Stanza) -> Result<Vec<Step>, StreamError> {
        let name = match element.text().as_ref() {
            "" | "=" => Ok(None),
            text => BASE64.decode(text).map_err(|_| "incorrect-encoding").and_then(|name| {
                let name = String::from_utf8(name).map_err(|_| "invalid-authzid")?;
                Address::domain_only(&name).map(Some).map_err(|_| "invalid-authzid")
            }),
        };
        let judged = name.and_then(|name| {
            if element.attribute("mechanism").as_deref() != Some("EXTERNAL") {
                return Err("invalid-mechanism");
            }
            let domain = name.or_else(|| self.remote.clone()).ok_or("invalid-authzid")?;
            if self.remote.as_ref().is_some_and(|remote| *remote != domain) || !self.is_welcome(&domain) {
                return Err("invalid-authzid");
            }
            if self.is_proved() || !self.has_certificate_for(&domain) {
                Err("not-authorized")
            } else {
                Ok(domain)
            }
        });
        match (judged, self.local.clone()) {
            (Ok(remote), Some(local)) => {
                let pair = Pair { local, remote: remote.clone() };
                self.remote = Some(remote);
                self.proved.push(pair.clone());
                self.is_opening = true;
                let success = format!("<success xmlns='{SASL}'/>").into_bytes();
                Ok(vec![Step::Send(success), Step::Restart, Step::Proved(pair)])
            }
            (Err(condition), _) => self.refuse_auth(condition),
            (Ok(_), None) => Err(Condition::BadFormat.into()),
        }
    }

    fn refuse_auth(&mut self, condition: &str) -> Result<Vec<Step>, StreamError> {
        self.failures += 1;
        if self.failures >= ATTEMPTS {
            return Err(StreamError::with_text(Condition::PolicyViolation, "too many failed logins"));
        }
        let failure = format!("<failure xmlns='{SASL}'><{condition}/></failure>");
        Ok(vec![Step::Send(failure.into_bytes())])
    }

    /// The peer sends a key for a domain (XEP-0220 §2.2).
    fn handle_key(&mut self, element: &Stanza) -> Result<Vec<Step>, StreamError> {
        let pair = pair_of(element)?;
        if !self.settings.serves(&pair.local) {
            return Ok(vec![Step::Send(print::result_error(&pair, "item-not-found"))]);
        }
        if !self.settings.dialback || !self.is_welcome(&pair.remote) {
            return Ok(vec![Step::Send(print::result_error(&pair, "not-allowed"))]);
        }
        if self.proved.contains(&pair) {
            return Ok(vec![Step::Send(print::result_answer(&pair, "valid"))]);
        }
        let is_asked = self.asked.contains(&pair);
        if is_asked
            || self.proved.len() + self.asked.len() >= self.settings.pairs
            || self.asked.len() >= ASKED
        {
            return Ok(vec![Step::Send(print::result_error(&pair, "resource-constraint"))]);
        }
        if self.has_certificate_for(&pair.remote) {
            return Ok(self.accept(pair));
        }
        self.asked.push(pair.clone());
        Ok(vec![Step::Ask { pair, stream_id: self.stream_id.clone(), key: element.text().into_owned() }])
    }

    /// The authoritative server was asked about the key for this pair.
    pub(super) fn handle_answer(&mut self, pair: Pair, answer: Answer) -> Vec<Step> {
        self.asked.retain(|asked| *asked != pair);
        match answer {
            Answer::Valid => self.accept(pair),
            Answer::Invalid => vec![Step::Send(print::result_answer(&pair, "invalid"))],
            Answer::None => vec![Step::Send(print::result_error(&pair, "remote-server-timeout"))],
            Answer::Busy => vec![Step::Send(print::result_error(&pair, "resource-constraint"))],
        }
    }

    fn accept(&mut self, pair: Pair) -> Vec<Step> {
        self.proved.push(pair.clone());
        vec![Step::Send(print::result_answer(&pair, "valid")), Step::Proved(pair)]
    }

    /// Somebody asks whether a key is ours (XEP-0220 §2.4).
    fn handle_question(&mut self, element: &Stanza) -> Result<Vec<u8>, StreamError> {
        let pair = pair_of(element)?;
        let id = element.id().ok_or(Condition::ImproperAddressing)?;
        let is_ours =
            self.settings.serves(&pair.local) && self.settings.secret.is_key(&element.text(), &pair, &id);
        Ok(print::verify_answer(&pair, &id, is_ours))
    }

    /// Whom a stanza is from and for, where the peer may send it (RFC 6120 §8.1.1.2, §8.1.2.2).
    ///
    /// # Errors
    /// Why the stream ends.
    pub(super) fn judge(&self, stanza: &Stanza) -> Result<(Party, Party), StreamError> {
        judge(&self.proved, stanza)
    }
}

/// As [`Reception::judge`], where the peer may speak for these pairs.
pub(super) fn judge(proved: &[Pair], stanza: &Stanza) -> Result<(Party, Party), StreamError> {
    let read = |text: Option<std::borrow::Cow<'_, str>>| text.and_then(|text| Party::parse(&text).ok());
    let (Some(from), Some(to)) = (read(stanza.from()), read(stanza.to())) else {
        return Err(Condition::ImproperAddressing.into());
    };
    if proved.is_empty() {
        return Err(Condition::NotAuthorized.into());
    }
    let mut own = proved.iter().filter(|pair| pair.remote.domain() == from.address.domain()).peekable();
    if own.peek().is_none() {
        return Err(Condition::InvalidFrom.into());
    }
    match own.find(|pair| pair.local.domain() == to.address.domain()) {
        Some(_) => Ok((from, to)),
        None => Err(Condition::ImproperAddressing.into()),
    }
}

/// Whether a peer with this proof is this domain.
pub(super) fn is_certificate_for(proof: &Proof, domain: &Address) -> bool {
    let is = |name: &str| Address::domain_only(name).is_ok_and(|name| name == *domain);
    proof.is_for(&domain.domain_in_ascii())
        || proof.other_names(XMPP_ADDRESS).iter().any(|name| is(name))
        || proof
            .other_names(SERVICE_NAME)
            .iter()
            .any(|name| name.strip_prefix("_xmpp-server.").is_some_and(is))
}

/// The domains of a dialback element: `from` is theirs, `to` ours.
fn pair_of(element: &Stanza) -> Result<Pair, StreamError> {
    let read =
        |text: Option<std::borrow::Cow<'_, str>>| text.and_then(|text| Address::domain_only(&text).ok());
    match (read(element.to()), read(element.from())) {
        (Some(local), Some(remote)) => Ok(Pair { local, remote }),
        _ => Err(Condition::ImproperAddressing.into()),
    }
}

/// 1.3.6.1.5.5.7.8.5 `id-on-xmppAddr` (RFC 6120 §13.7.1.4)
const XMPP_ADDRESS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x05];
/// 1.3.6.1.5.5.7.8.7 `id-on-dnsSRV` (RFC 4985)
const SERVICE_NAME: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x07];
/// Failed logins after which a stream ends.
const ATTEMPTS: u8 = 3;
/// Most keys of one stream that are being asked about.
const ASKED: usize = 10;

#[cfg(test)]
mod tests;
