//! XEP-0357: Push Notifications. A client leaves with its account where its device is called while it sleeps: a push
//! service, a node there, and options that are given back with every call as they came.
//!
//! When a device is called the account decides; here the call gets its words. Who wrote and what is said only
//! where the operator allows it. A call that is answered with an error ends the calls to that node, unless the
//! error says to wait: then so does the sixteenth in a row. One that is not answered at all changes nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;
use minidom::Element;
use rustc_hash::FxHashMap;
use tokio::time::{Duration, Instant};

use super::{
    Answer, Handler, Iq, Module, Payload, Target,
    form::{self, Field},
};
use crate::account::{Accounts, Herald, Request, WakeAddress, WakeOutcome, WakeUp};
use crate::signal::{Address, Native, Party, Query, QueryKind};
use crate::xmpp::{
    Config,
    chance::Chance,
    stanza::{CLIENT, Stanza, print_attribute},
    translate::{Refusal, Scope},
};

const NAMESPACE: &str = "urn:xmpp:push:0";

pub(super) const MODULE: Module = Module {
    account_features: &[NAMESPACE],
    payloads: &[
        Payload { name: "enable", namespace: NAMESPACE, handler: Handler::Set(enable) },
        Payload { name: "disable", namespace: NAMESPACE, handler: Handler::Set(disable) },
    ],
    ..Module::NONE
};

fn enable(iq: &Iq<'_>) -> Answer {
    change(iq, |element, service, node| {
        let form = element.children().find(|child| child.is("x", form::NAMESPACE));
        let terms = form.map(String::from).unwrap_or_default().into();
        Request::AddWakeAddress { at: WakeAddress { service, node: node.unwrap_or_default() }, terms }
    })
}

fn disable(iq: &Iq<'_>) -> Answer {
    change(iq, |_, service, node| Request::RemoveWakeAddresses { service, node })
}

fn change(iq: &Iq<'_>, request: impl FnOnce(&Element, Party, Option<CompactString>) -> Request) -> Answer {
    if iq.target != Target::Account {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let Some(element) = iq.payload.to_element() else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let Some(jid) = element.attr("jid") else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let Ok(service) = Party::parse(jid) else { return Answer::Refuse(Refusal::JID_MALFORMED) };
    let node = element.attr("node").map(CompactString::from);
    Answer::then(request(&element, service, node), |outcome| match outcome {
        Ok(_) => Answer::done(),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

/// What is to be done where a push service says that it calls somebody's device no more (§8); `None` for any other
/// message.
pub(in crate::xmpp) fn ended(stanza: &Stanza, from: &Party, to: &Party) -> Option<Request> {
    if !from.address.is_domain() {
        return None;
    }
    let element = stanza.child("pubsub", PUBSUB)?.to_element()?;
    let node = CompactString::from(element.attr("node")?);
    let is_end = |child: &Element| {
        let is_his = || child.attr("jid").and_then(|jid| Party::parse(jid).ok());
        let is_none = matches!(child.attr("affiliation"), Some("none" | "outcast"));
        child.name() == "affiliation" && is_none && is_his().is_some_and(|jid| jid.address == to.address)
    };
    let is_end = element.children().any(is_end);
    is_end.then(|| Request::RemoveWakeAddresses { service: from.clone(), node: Some(node) })
}

/// Calls, and those that wait for their answers: at most [`MOST`], those that waited for long being forgotten first.
#[derive(Debug)]
pub(in crate::xmpp) struct Pushes {
    tells_sender: bool,
    tells_body: bool,
    waiting: Mutex<FxHashMap<CompactString, Waiting>>,
}

/// A call that was not answered yet.
#[derive(Debug)]
struct Waiting {
    account: Address,
    at: WakeAddress,
    was_in_vain: bool,
    since: Instant,
}

impl Pushes {
    pub(in crate::xmpp) fn new(config: &Config) -> Self {
        Self { tells_sender: config.push_sender, tells_body: config.push_body, waiting: Mutex::default() }
    }

    /// Tells the account what a service answers to a call; whether it was the answer to one.
    pub(in crate::xmpp) fn handle_answer(&self, accounts: &Accounts, stanza: &Stanza, from: &Party) -> bool {
        let Some(waiting) = self.take(&stanza.id().unwrap_or_default(), from) else { return false };
        let outcome = match stanza.stanza_type().as_deref() {
            Some("error") => {
                let error = stanza.child("error", CLIENT);
                let advice = error.as_ref().and_then(|error| error.attribute("type"));
                if advice.as_deref() == Some("wait") { WakeOutcome::InVain } else { WakeOutcome::Refused }
            }
            _ => WakeOutcome::Taken,
        };
        if waiting.was_in_vain || outcome != WakeOutcome::Taken {
            accounts.note_roused(&waiting.account, waiting.at, outcome);
        }
        true
    }

    fn take(&self, id: &str, from: &Party) -> Option<Waiting> {
        let mut waiting = self.waiting();
        waiting.get(id).filter(|one| one.at.service == *from)?;
        waiting.remove(id)
    }

    /// Notes a call; `false` where there is no room.
    fn note(&self, id: &str, one: Waiting) -> bool {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST {
            waiting.retain(|_, other| one.since.duration_since(other.since) < PATIENCE);
        }
        let has_room = waiting.len() < MOST;
        if has_room {
            waiting.insert(id.into(), one);
        }
        has_room
    }

    fn waiting(&self) -> MutexGuard<'_, FxHashMap<CompactString, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The content of a call (§6).
    fn print(&self, wake: &WakeUp) -> Vec<u8> {
        let mut fields = vec![Field::new("message-count", "text-single", "").with([wake.missed.to_string()])];
        if self.tells_sender {
            let sender = wake.message.from.to_string();
            fields.push(Field::new("last-message-sender", "jid-single", "").with([sender]));
        }
        if let Some(body) = wake.message.content.body().filter(|_| self.tells_body) {
            let body = body.chars().take(BODY_CHARACTERS).collect();
            fields.push(Field::new("last-message-body", "text-single", "").with([body]));
        }
        let mut out = format!("<pubsub xmlns='{PUBSUB}'><publish node='").into_bytes();
        print_attribute(&wake.at.node, &mut out);
        out.extend_from_slice(format!("'><item><notification xmlns='{NAMESPACE}'>").as_bytes());
        out.extend_from_slice(form::print("submit", SUMMARY, "", &fields).as_bytes());
        out.extend_from_slice(b"</notification></item></publish>");
        if !wake.terms.is_empty() {
            out.extend_from_slice(b"<publish-options>");
            out.extend_from_slice(&wake.terms);
            out.extend_from_slice(b"</publish-options>");
        }
        out.extend_from_slice(b"</pubsub>");
        out
    }
}

impl Herald for Pushes {
    fn herald(&self, account: &Address, wake: &WakeUp) -> Option<Query> {
        let from = Party::bare(Address::domain_only(account.domain()).ok()?);
        let id = CompactString::from(Chance::default().text());
        let waiting = Waiting {
            account: account.clone(),
            at: wake.at.clone(),
            was_in_vain: wake.was_in_vain,
            since: Instant::now(),
        };
        let native = Native::Elements { payload: self.print(wake).into(), lang: None };
        let to = wake.at.service.clone();
        self.note(&id, waiting).then_some(Query { from, to, id, kind: QueryKind::Change, native })
    }
}

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const SUMMARY: &str = "urn:xmpp:push:summary";
/// Calls that may wait for their answers.
const MOST: usize = 10_000;
/// How long a call waits for its answer where there is no more room.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is told of a text at most.
const BODY_CHARACTERS: usize = 500;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::signal::{Content, Keep, Message, MessageId, MessageKind, Text, Timestamp};
    use crate::xmpp::stanza::{Event, Limits, Scanner};

    fn party(text: &str) -> Party {
        Party::parse(text).unwrap()
    }

    fn wake(node: &str, terms: &'static str) -> WakeUp {
        let content =
            Content { bodies: [Text::plain("a <b> & c")].into_iter().collect(), ..Content::default() };
        let message = Message {
            id: MessageId(1),
            from: party("bob@x/desk"),
            to: party("alice@x"),
            kind: MessageKind::Chat,
            sent: Timestamp(1),
            origin_id: None,
            content,
            native: Native::None,
            keep: Keep::ALL,
        };
        let at = WakeAddress { service: party("push.example"), node: node.into() };
        WakeUp { at, terms: terms.into(), missed: 3, message: Arc::new(message), was_in_vain: false }
    }

    fn pushes(text: &str) -> Pushes {
        Pushes::new(&toml::from_str(text).unwrap())
    }

    fn stanza(text: &str) -> Stanza {
        let mut scanner = Scanner::between_servers(Limits::default());
        scanner
            .feed(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>");
        scanner.feed(text.as_bytes());
        let _ = scanner.next_event();
        match scanner.next_event() {
            Ok(Some(Event::Stanza(stanza))) => stanza,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_says_what_the_operator_allows_and_gives_the_options_back() {
        let options =
            "<x xmlns='jabber:x:data' type='submit'><field var='secret'><value>s</value></field></x>";
        let count = "<field var='message-count' type='text-single'><value>3</value></field>";
        let sender = "<field var='last-message-sender' type='jid-single'><value>bob@x/desk</value></field>";
        let body =
            "<field var='last-message-body' type='text-single'><value>a &lt;b&gt; &amp; c</value></field>";
        for (config, more) in [
            ("", String::new()),
            ("push_sender = true", sender.to_owned()),
            ("push_sender = true\npush_body = true", format!("{sender}{body}")),
        ] {
            let printed = String::from_utf8(pushes(config).print(&wake("a'b", options))).unwrap();
            let expected = format!(
                "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='a&apos;b'><item>\
                 <notification xmlns='urn:xmpp:push:0'><x xmlns='jabber:x:data' type='submit'>\
                 <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:push:summary</value></field>{count}{more}</x>\
                 </notification></item></publish><publish-options>{options}</publish-options></pubsub>"
            );
            assert_eq!(printed, expected);
        }
        assert!(!String::from_utf8(pushes("").print(&wake("n", ""))).unwrap().contains("publish-options"));
    }

    #[test]
    fn only_the_service_that_was_called_answers_and_once() {
        let pushes = pushes("");
        let account = Address::parse("alice@x").unwrap();
        let query = pushes.herald(&account, &wake("n", "")).unwrap();
        assert_eq!((query.from.to_string().as_str(), query.to.to_string().as_str()), ("x", "push.example"));
        assert!(pushes.take(&query.id, &party("evil.example")).is_none());
        assert!(pushes.take("other", &party("push.example")).is_none());
        assert_eq!(pushes.take(&query.id, &party("push.example")).unwrap().account, account);
        assert!(pushes.take(&query.id, &party("push.example")).is_none());
    }

    #[test]
    fn calls_without_answer_are_bounded() {
        let pushes = pushes("");
        let now = Instant::now();
        let waiting = |since| Waiting {
            account: Address::parse("alice@x").unwrap(),
            at: wake("n", "").at,
            was_in_vain: false,
            since,
        };
        for number in 0..MOST {
            assert!(pushes.note(&number.to_string(), waiting(now)));
        }
        assert!(!pushes.note("more", waiting(now)));
        assert!(pushes.note("later", waiting(now + PATIENCE)));
        assert_eq!(pushes.waiting().len(), 1);
    }

    #[test]
    fn a_service_takes_back_what_it_gave() {
        let (service, alice) = (party("push.example"), party("alice@x"));
        let text = |jid: &str, affiliation: &str| {
            format!(
                "<message from='push.example' to='alice@x'><pubsub xmlns='{PUBSUB}' node='n'>\
                 <affiliation jid='{jid}' affiliation='{affiliation}'/></pubsub></message>"
            )
        };
        let read = |text: &str, from: &Party| ended(&stanza(text), from, &alice);
        let expected = Request::RemoveWakeAddresses { service: service.clone(), node: Some("n".into()) };
        assert_eq!(read(&text("alice@x", "none"), &service), Some(expected));
        assert_eq!(read(&text("alice@x", "publish-only"), &service), None);
        assert_eq!(read(&text("bob@x", "none"), &service), None);
        assert_eq!(read(&text("alice@x", "none"), &party("bob@push.example")), None);
        assert_eq!(
            read("<message from='push.example' to='alice@x'><body>x</body></message>", &service),
            None
        );
    }
}
