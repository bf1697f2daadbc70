//! XEP-0313: Message Archive Management, with its extended fields. Ids of the archive are the ids of
//! messages, the same that they are delivered with (XEP-0359).

use minidom::Element;

use super::{
    Answer, Handler, Iq, Module, Payload, Target, delay,
    form::NAMESPACE as FORMS,
    result_set::{self, Page},
};
use crate::account::{
    Accounts, ArchiveChoice, ArchiveDefault, ArchiveEnd, ArchivePage, ArchiveQuery, ArchiveReading,
    ArchivedMessage, Preferences, Reply, Request, Words,
};
use crate::signal::{Address, MessageId, Party, Reject, Timestamp};
use crate::xmpp::stanza::print_attribute;
use crate::xmpp::translate::{Refusal, Scope, print_archived};

const NAMESPACE: &str = "urn:xmpp:mam:2";
/// XEP-0431: Full Text Search in MAM.
const FULL_TEXT: &str = "urn:xmpp:fulltext:0";

pub(super) const MODULE: Module = Module {
    // COMPAT(profanity 0.13): it looks for the archive of its account among the features of the server.
    server_features: &[NAMESPACE],
    account_features: &[NAMESPACE, "urn:xmpp:mam:2#extended", FULL_TEXT, result_set::NAMESPACE],
    payloads: &[
        Payload { name: "query", namespace: NAMESPACE, handler: Handler::Both(query) },
        Payload { name: "metadata", namespace: NAMESPACE, handler: Handler::Get(metadata) },
        Payload { name: "prefs", namespace: NAMESPACE, handler: Handler::Both(preferences) },
    ],
};

fn query(iq: &Iq<'_>) -> Answer {
    if iq.target == Target::Server {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    if !iq.is_set {
        return Answer::Result(format!("<query xmlns='{NAMESPACE}'>{FORM}</query>"));
    }
    let query = iq.payload.to_element().ok_or(Refusal::BAD_REQUEST).and_then(|query| parse(&query));
    let question = match query {
        Ok(question) => question,
        Err(refusal) => return Answer::Refuse(refusal),
    };
    let (asker, mark) = (iq.asker.clone(), question.mark);
    let flips = question.flips;
    let from_newest = question.reading.query.from == ArchiveEnd::Newest;
    Answer::then(Request::Archive(Box::new(question.reading)), move |outcome| match outcome {
        Ok(Reply::Archive(page)) => print_page(*page, &asker, mark.as_deref(), from_newest, flips),
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

/// What is asked for.
struct Question {
    reading: ArchiveReading,
    /// What the client calls the question.
    mark: Option<String>,
    /// The newest is to come first.
    flips: bool,
}

fn parse(element: &Element) -> Result<Question, Refusal> {
    let page = Page::parse(element).ok_or(Refusal::BAD_REQUEST)?;
    let most = page.most.unwrap_or(DEFAULT_PAGE).min(LARGEST_PAGE);
    let mut reading = ArchiveReading::default();
    reading.query.limit = most;
    if let Some(form) = element.get_child("x", FORMS) {
        parse_form(form, &mut reading)?;
    }
    if let Some(after) = &page.after {
        let id = parse_known(after, &mut reading)?;
        narrow_after(&mut reading.query, id);
    }
    if let Some(before) = &page.before {
        reading.query.from = ArchiveEnd::Newest;
        if let Some(before) = before {
            let id = parse_known(before, &mut reading)?;
            narrow_before(&mut reading.query, id);
        }
    }
    let flips = element.get_child("flip-page", NAMESPACE).is_some();
    Ok(Question { reading, mark: element.attr("queryid").map(str::to_owned), flips })
}

fn parse_form(form: &Element, reading: &mut ArchiveReading) -> Result<(), Refusal> {
    for field in form.children().filter(|field| field.is("field", FORMS)) {
        let values: Vec<String> =
            field.children().filter(|value| value.is("value", FORMS)).map(Element::text).collect();
        let Some(value) = values.first() else { continue };
        match field.attr("var").unwrap_or_default() {
            "FORM_TYPE" if value != NAMESPACE => return Err(Refusal::BAD_REQUEST),
            "FORM_TYPE" => {}
            "with" => {
                let party = Party::parse(value).map_err(|_| Refusal::JID_MALFORMED)?;
                reading.query.with = Some(party.address);
                reading.resource = party.resource;
            }
            // Both ends belong to what is wanted.
            "start" => {
                let first = MessageId::from_parts(milliseconds(value)?, 0);
                narrow_after(&mut reading.query, MessageId(first.0.saturating_sub(1)));
            }
            "end" => {
                let beyond = milliseconds(value)?.saturating_add(1);
                narrow_before(&mut reading.query, MessageId::from_parts(beyond, 0));
            }
            "after-id" => {
                let id = parse_known(value, reading)?;
                narrow_after(&mut reading.query, id);
            }
            "before-id" => {
                let id = parse_known(value, reading)?;
                narrow_before(&mut reading.query, id);
            }
            "ids" if values.len() > LARGEST_PAGE => return Err(Refusal::NOT_ACCEPTABLE),
            "ids" => {
                let ids: Option<Vec<_>> = values.iter().map(|id| MessageId::parse(id)).collect();
                reading.ids = ids.ok_or(Refusal::ITEM_NOT_FOUND)?;
            }
            "{urn:xmpp:fulltext:0}fulltext" if value.trim().is_empty() => {}
            "{urn:xmpp:fulltext:0}fulltext" => {
                reading.words = Some(Words::parse(value).ok_or(Refusal::NOT_ACCEPTABLE)?);
            }
            // No room has its messages here.
            "include-groupchat" => {}
            _ => return Err(Refusal::new("cancel", "feature-not-implemented")),
        }
    }
    Ok(())
}

fn milliseconds(value: &str) -> Result<u64, Refusal> {
    let time = Timestamp::parse_rfc3339(value).ok_or(Refusal::BAD_REQUEST)?;
    Ok(u64::try_from(time.0).unwrap_or_default())
}

fn parse_known(text: &str, reading: &mut ArchiveReading) -> Result<MessageId, Refusal> {
    let id = MessageId::parse(text).ok_or(Refusal::ITEM_NOT_FOUND)?;
    reading.known.push(id);
    Ok(id)
}

fn narrow_after(query: &mut ArchiveQuery, id: MessageId) {
    query.after = Some(query.after.map_or(id, |after| after.max(id)));
}

fn narrow_before(query: &mut ArchiveQuery, id: MessageId) {
    query.before = Some(query.before.map_or(id, |before| before.min(id)));
}

/// The messages of a page, each as `<result/>`, and what ends it.
fn print_page(
    page: ArchivePage,
    asker: &Party,
    mark: Option<&str>,
    from_newest: bool,
    flips: bool,
) -> Answer {
    let ArchivePage { mut messages, mut is_complete } = page;
    let printed: Vec<Vec<u8>> = messages.iter().map(|it| print_result(it, asker, mark)).collect();
    let (kept, is_whole) = within(&printed, from_newest);
    is_complete &= is_whole;
    let mut printed: Vec<Vec<u8>> = printed.into_iter().skip(kept.start).take(kept.len()).collect();
    messages = messages.into_iter().skip(kept.start).take(kept.len()).collect();
    let ends = messages.first().zip(messages.last());
    let ends = ends.map(|(first, last)| (first.message.id.to_string(), last.message.id.to_string()));
    let set = result_set::print(ends.as_ref().map(|(first, last)| (first.as_str(), last.as_str())));
    let complete = if is_complete { " complete='true'" } else { "" };
    if flips {
        printed.reverse();
    }
    Answer::Messages(printed, format!("<fin xmlns='{NAMESPACE}'{complete}>{set}</fin>"))
}

/// Which part of a page keeps to the bound of bytes, from the wanted end, and whether that is all of it.
fn within(printed: &[Vec<u8>], from_newest: bool) -> (std::ops::Range<usize>, bool) {
    let mut bytes = 0;
    let mut fits = |content: &&Vec<u8>| {
        bytes += content.len();
        bytes <= PAGE_BYTES
    };
    let count = match from_newest {
        true => printed.iter().rev().take_while(&mut fits).count(),
        false => printed.iter().take_while(&mut fits).count(),
    };
    // One message of any size is a page.
    let count = count.max(1).min(printed.len());
    let start = if from_newest { printed.len() - count } else { 0 };
    (start..start + count, count == printed.len())
}

fn print_result(it: &ArchivedMessage, asker: &Party, mark: Option<&str>) -> Vec<u8> {
    let message = &it.message;
    let mut out = format!("<result xmlns='{NAMESPACE}' id='{}'", message.id).into_bytes();
    if let Some(mark) = mark {
        out.extend_from_slice(b" queryid='");
        print_attribute(mark, &mut out);
        out.push(b'\'');
    }
    out.extend_from_slice(b"><forwarded xmlns='urn:xmpp:forward:0'>");
    out.extend_from_slice(delay::print(asker.address.domain(), message.sent).as_bytes());
    print_archived(message, &mut out);
    out.extend_from_slice(b"</forwarded></result>");
    out
}

/// The ends of the archive (§5.2).
fn metadata(iq: &Iq<'_>) -> Answer {
    if iq.target == Target::Server {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    one_from(ArchiveEnd::Oldest, |oldest| {
        one_from(ArchiveEnd::Newest, move |newest| Answer::Result(print_ends(oldest, newest)))
    })
}

fn print_ends(oldest: Option<(MessageId, Timestamp)>, newest: Option<(MessageId, Timestamp)>) -> String {
    let end = |name: &str, it: Option<(MessageId, Timestamp)>| {
        it.map_or_else(String::new, |(id, at)| format!("<{name} id='{id}' timestamp='{at}'/>"))
    };
    let (start, end) = (end("start", oldest), end("end", newest));
    format!("<metadata xmlns='{NAMESPACE}'>{start}{end}</metadata>")
}

/// The ends of an account's archive, for a session that begins now (XEP-0386). Nothing where they cannot be read.
pub(in crate::xmpp) async fn ends(accounts: &Accounts, account: &Address) -> Vec<u8> {
    let mut ends = [None, None];
    for (end, from) in ends.iter_mut().zip([ArchiveEnd::Oldest, ArchiveEnd::Newest]) {
        let query = ArchiveQuery { limit: 1, from, ..ArchiveQuery::default() };
        let reading = ArchiveReading { query, ..ArchiveReading::default() };
        let Ok(Reply::Archive(page)) = accounts.ask(account, Request::Archive(Box::new(reading))).await
        else {
            return Vec::new();
        };
        *end = page.messages.first().map(|it| (it.message.id, it.message.sent));
    }
    let [oldest, newest] = ends;
    print_ends(oldest, newest).into_bytes()
}

fn one_from(
    from: ArchiveEnd,
    then: impl FnOnce(Option<(MessageId, Timestamp)>) -> Answer + Send + 'static,
) -> Answer {
    let query = ArchiveQuery { limit: 1, from, ..ArchiveQuery::default() };
    let reading = ArchiveReading { query, ..ArchiveReading::default() };
    Answer::then(Request::Archive(Box::new(reading)), move |outcome| match outcome {
        Ok(Reply::Archive(page)) => then(page.messages.first().map(|it| (it.message.id, it.message.sent))),
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

/// What is kept (§7).
fn preferences(iq: &Iq<'_>) -> Answer {
    if iq.target == Target::Server {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let wanted = match iq.is_set {
        true => match iq.payload.to_element().ok_or(Refusal::BAD_REQUEST).and_then(|it| parse_choice(&it)) {
            Ok(choice) => Some(choice),
            Err(refusal) => return Answer::Refuse(refusal),
        },
        false => None,
    };
    let Some(choice) = wanted else {
        return Answer::then(Request::Preferences, |outcome| match outcome {
            Ok(Reply::Preferences(preferences)) => Answer::Result(print_choice(&preferences.archive)),
            Ok(_) => Answer::Refuse(Refusal::INTERNAL),
            Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
        });
    };
    let (accounts, account) = (iq.shared.accounts.clone(), iq.asker.address.clone());
    Answer::work(async move {
        // How long is nothing that this extension has a word for.
        let choose = |preferences: Preferences| -> Result<_, Reject> {
            let archive = ArchiveChoice { keep_days: preferences.archive.keep_days, ..choice.clone() };
            Ok(Preferences { archive, ..preferences })
        };
        match accounts.change_preferences(&account, choose).await {
            Ok(_) => Answer::Result(print_choice(&choice)),
            Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
        }
    })
}

fn parse_choice(element: &Element) -> Result<ArchiveChoice, Refusal> {
    let default = match element.attr("default") {
        Some("always") => ArchiveDefault::Always,
        Some("roster") => ArchiveDefault::Contacts,
        Some("never") => ArchiveDefault::Never,
        _ => return Err(Refusal::BAD_REQUEST),
    };
    let list = |name: &str| {
        let jids = element.get_child(name, NAMESPACE).into_iter().flat_map(Element::children);
        let jids = jids.filter(|jid| jid.is("jid", NAMESPACE));
        let addresses = jids.map(|jid| Party::parse(jid.text().trim()).map(|party| party.address));
        addresses.collect::<Result<Vec<Address>, _>>().map_err(|_| Refusal::JID_MALFORMED)
    };
    let choice = ArchiveChoice { default, always: list("always")?, never: list("never")?, keep_days: None };
    if choice.always.len() + choice.never.len() > LISTED {
        return Err(Refusal::NOT_ACCEPTABLE);
    }
    Ok(choice)
}

fn print_choice(choice: &ArchiveChoice) -> String {
    let default = match choice.default {
        ArchiveDefault::Always => "always",
        ArchiveDefault::Contacts => "roster",
        ArchiveDefault::Never => "never",
    };
    let list = |name: &str, all: &[Address]| {
        let jids = all.iter().map(|address| {
            let mut out = Vec::new();
            crate::xmpp::stanza::print_text(address.as_str(), &mut out);
            format!("<jid>{}</jid>", String::from_utf8_lossy(&out))
        });
        format!("<{name}>{}</{name}>", jids.collect::<String>())
    };
    let (always, never) = (list("always", &choice.always), list("never", &choice.never));
    format!("<prefs xmlns='{NAMESPACE}' default='{default}'>{always}{never}</prefs>")
}

const FORM: &str = "<x xmlns='jabber:x:data' type='form'><field type='hidden' var='FORM_TYPE'>\
    <value>urn:xmpp:mam:2</value></field><field type='jid-single' var='with'/>\
    <field type='text-single' var='{urn:xmpp:fulltext:0}fulltext'/><field type='text-single' var='start'/><field type='text-single' var='end'/>\
    <field type='text-single' var='before-id'/><field type='text-single' var='after-id'/>\
    <field type='list-multi' var='ids'><validate xmlns='http://jabber.org/protocol/xdata-validate' \
    datatype='xs:string'><open/></validate></field></x>";
/// Messages of a page where the client does not say how many, and the most it gets.
const DEFAULT_PAGE: usize = 50;
const LARGEST_PAGE: usize = 100;
/// Most bytes of a page of several messages.
const PAGE_BYTES: usize = 512 * 1024;
/// Most addresses in the preferences.
const LISTED: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn question(content: &str) -> Result<ArchiveReading, &'static str> {
        let text = format!("<query xmlns='{NAMESPACE}'>{content}</query>");
        parse(&text.parse().unwrap()).map(|question| question.reading).map_err(|refusal| refusal.condition)
    }

    fn form(fields: &[(&str, &str)]) -> String {
        let field =
            |(name, value): &(&str, &str)| format!("<field var='{name}'><value>{value}</value></field>");
        format!("<x xmlns='{FORMS}' type='submit'>{}</x>", fields.iter().map(field).collect::<String>())
    }

    #[test]
    fn questions_are_read() {
        let set = "<set xmlns='http://jabber.org/protocol/rsm'><max>9999</max><before/></set>";
        let times = [("start", "1970-01-01T00:00:00.001Z"), ("end", "1970-01-01T00:00:00.002Z")];
        let found = question(&format!("{set}{}", form(&times))).unwrap();
        assert_eq!((found.query.limit, found.query.from), (LARGEST_PAGE, ArchiveEnd::Newest));
        assert_eq!(found.query.after, Some(MessageId(MessageId::from_parts(1, 0).0 - 1)));
        assert_eq!(found.query.before, Some(MessageId::from_parts(3, 0)));
        let found = question(&form(&[("with", "Bob@x/phone")])).unwrap();
        assert_eq!(found.query.with.map(|with| with.to_string()), Some("bob@x".to_owned()));
        assert_eq!(found.resource.as_ref().map(|it| it.as_str()), Some("phone"));
        let id = MessageId(77);
        let found = question(&form(&[("after-id", &id.to_string())])).unwrap();
        assert_eq!((found.query.after, found.known), (Some(id), vec![id]));
    }

    #[test]
    fn bad_questions_get_the_right_error() {
        for (fields, expect) in [
            (("with", "@"), "jid-malformed"),
            (("start", "yesterday"), "bad-request"),
            (("after-id", "1"), "item-not-found"),
            (("ids", "1"), "item-not-found"),
            (("FORM_TYPE", "urn:xmpp:mam:1"), "bad-request"),
            (("{urn:x}text", "hello"), "feature-not-implemented"),
        ] {
            assert_eq!(question(&form(&[fields])).unwrap_err(), expect, "{fields:?}");
        }
    }

    #[test]
    fn preferences_are_read_back() {
        let text = format!(
            "<prefs xmlns='{NAMESPACE}' default='roster'><always><jid>a@x</jid></always>\
             <never><jid>b@x</jid><jid>c@x</jid></never></prefs>"
        );
        assert_eq!(print_choice(&parse_choice(&text.parse().unwrap()).unwrap()), text);
    }

    #[test]
    fn a_page_keeps_to_its_bound_from_the_wanted_end() {
        let pages = |sizes: &[usize]| sizes.iter().map(|size| vec![0; *size]).collect::<Vec<_>>();
        let half = PAGE_BYTES / 2;
        assert_eq!(within(&pages(&[half, half, 1]), false), (0..2, false));
        assert_eq!(within(&pages(&[half, half, 1]), true), (1..3, false));
        assert_eq!(within(&pages(&[PAGE_BYTES + 1, 1]), false), (0..1, false));
        assert_eq!(within(&pages(&[1, 1]), true), (0..2, true));
        assert_eq!(within(&[], false), (0..0, true));
    }
}
