//! What a REGISTER tells beside its contacts: of the phone that sent it, of the way that it came
//! (RFC 3327), and of the extensions that both ends could use (RFC 5626, RFC 5627).

use std::sync::Arc;

use compact_str::CompactString;

use super::{
    answer::Refusal,
    asked::Outbound,
    auth,
    message::{HeaderName, MediaType, Message, NameAddr, Uri},
    target::{Routes, Target},
    transport::Flow,
};

/// What a REGISTER tells of the phone that sent it.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) flow: Flow,
    pub(super) agent: CompactString,
    pub(super) takes_messages: bool,
    pub(super) takes_calls: bool,
    pub(super) takes_cpim: bool,
    pub(super) only_md5: bool,
    /// It understands GRUUs.
    pub(super) takes_gruu: bool,
    /// It understands flows of its own.
    pub(super) takes_outbound: bool,
    /// No proxy stands between it and us.
    pub(super) is_direct: bool,
    /// Proxies that want to stand between us and it.
    pub(super) path: Option<Routes>,
}

impl Registration {
    /// Reads a REGISTER.
    ///
    /// # Errors
    /// 420 where proxies put in a Path that the phone does not expect (RFC 3327 §5.3), 400 for a malformed
    /// one or too long a one.
    pub(super) fn read(message: &Message, flow: Flow) -> Result<Self, Refusal> {
        // Who sends no Allow takes the methods of a phone.
        let allows = |method: &str| {
            !message.has(HeaderName::Allow) || message.values(HeaderName::Allow).any(|value| value == method)
        };
        let agent = message.text(HeaderName::UserAgent).unwrap_or_default();
        let accepts = message.accept().ok().flatten().unwrap_or_default();
        Ok(Self {
            flow,
            agent: agent.into(),
            takes_messages: allows("MESSAGE"),
            takes_calls: allows("INVITE"),
            takes_cpim: accepts.iter().any(|range: &MediaType| range.is("message/cpim")),
            only_md5: auth::knows_only_md5(message),
            takes_gruu: message.has_token(HeaderName::Supported, "gruu"),
            takes_outbound: message.has_token(HeaderName::Supported, "outbound"),
            is_direct: message.values(HeaderName::Via).nth(1).is_none(),
            path: read_path(message)?,
        })
    }

    /// Whether `reg-id` counts (RFC 5626 §6): only where the first hop keeps the flow, which is this server
    /// or a proxy that says so. Proxies that follow put themselves before it, and never say it.
    pub(super) fn outbound(&self) -> Outbound {
        let says_so = |value: &CompactString| NameAddr::parse(value).is_ok_and(|hop| hop.uri.has_param("ob"));
        let hops = self.path.as_deref().unwrap_or_default();
        let is_kept = self.is_direct || hops.first().is_some_and(says_so) || hops.last().is_some_and(says_so);
        match (is_kept, self.takes_outbound) {
            (true, _) => Outbound::Honoured,
            (false, true) => Outbound::Lacking,
            (false, false) => Outbound::Ignored,
        }
    }

    /// Whether signs of life are promised on its flow: what it registers with a `reg-id` ends with that.
    pub(super) fn keeps_flow(&self) -> bool {
        self.takes_outbound && self.is_direct
    }

    /// The way to a contact that it registers.
    pub(super) fn target(&self, contact: &Uri) -> Arc<Target> {
        Arc::new(Target::new(contact, self.flow, self.path.clone(), self.is_direct))
    }
}

fn read_path(message: &Message) -> Result<Option<Routes>, Refusal> {
    let mut values = message.values(HeaderName::Path).peekable();
    if values.peek().is_none() {
        return Ok(None);
    }
    if !message.has_token(HeaderName::Supported, "path") {
        return Err(Refusal::new(420).with(HeaderName::Unsupported, "path"));
    }
    let values: Vec<CompactString> = values.map(CompactString::from).collect();
    let is_route = |value: &CompactString| NameAddr::parse(value).is_ok_and(|hop| hop.uri.is_sip());
    if values.len() > HOPS || !values.iter().all(is_route) {
        return Err(Refusal::because(400, "Bad Request: Path"));
    }
    Ok(Some(values.into()))
}

/// Most proxies between us and a phone.
const HOPS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{message::Limits, transport::Protocol};

    fn read(lines: &str) -> Result<Registration, u16> {
        let text = format!(
            "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bK1\r\n{lines}\
             From: <sip:a@example.org>;tag=1\r\nTo: <sip:a@example.org>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n\r\n"
        );
        let message = Message::parse_datagram(text.into(), &Limits::default()).expect("a message");
        let flow = Flow::for_test(Protocol::Udp, ([192, 0, 2, 1], 5060).into(), 1);
        Registration::read(&message, flow).map_err(|refusal| refusal.status)
    }

    const SECOND: &str = "Via: SIP/2.0/UDP ua;branch=z9hG4bK2\r\n";

    #[test]
    fn flows_are_honoured_where_the_first_hop_keeps_them() {
        for (lines, expect) in [
            (String::new(), Outbound::Honoured),
            ("Supported: outbound\r\n".to_owned(), Outbound::Honoured),
            (SECOND.to_owned(), Outbound::Ignored),
            (format!("{SECOND}Supported: outbound, path\r\n"), Outbound::Lacking),
            (format!("{SECOND}Supported: outbound, path\r\nPath: <sip:t@p;lr>\r\n"), Outbound::Lacking),
            (format!("{SECOND}Supported: outbound, path\r\nPath: <sip:t@p;lr;ob>\r\n"), Outbound::Honoured),
            (
                format!("{SECOND}Supported: outbound, path\r\nPath: <sip:p2;lr>, <sip:t@p;lr;ob>\r\n"),
                Outbound::Honoured,
            ),
            (format!("{SECOND}Supported: path\r\nPath: <sip:p;lr>\r\n"), Outbound::Ignored),
        ] {
            assert_eq!(read(&lines).unwrap().outbound(), expect, "{lines}");
        }
    }

    #[test]
    fn path_must_be_expected_and_sound() {
        let long = "Path: <sip:p;lr>\r\n".repeat(HOPS + 1);
        for (lines, expect) in [
            ("Path: <sip:p;lr>\r\n".to_owned(), Err(420)),
            ("Supported: path\r\nPath: <sip:p;lr>, <sip:q;lr>\r\n".to_owned(), Ok(2)),
            ("Supported: path\r\nPath: <tel:1>\r\n".to_owned(), Err(400)),
            ("Supported: path\r\nPath: nonsense\r\n".to_owned(), Err(400)),
            (format!("Supported: path\r\n{long}"), Err(400)),
            ("Supported: path\r\n".to_owned(), Ok(0)),
        ] {
            let found = read(&lines).map(|registration| registration.path.map_or(0, |path| path.len()));
            assert_eq!(found, expect, "{lines}");
        }
    }
}
