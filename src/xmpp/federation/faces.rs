//! What the news of other servers (XEP-0163 §4) say of how their people want to be shown: their pictures (XEP-0084)
//! and nicknames (XEP-0172), for sessions that speak no XMPP. Clients get the news themselves.

use crate::{
    signal::{FacePart, Party},
    xmpp::{
        stanza::Stanza,
        xep::{avatar, nickname},
    },
};

/// What a message tells of its sender's face.
pub(super) fn told(stanza: &Stanza, from: &Party) -> Option<FacePart> {
    // Whoever publishes does so as an account.
    if from.resource.is_some() || from.address.is_domain() {
        return None;
    }
    let event = stanza.child("event", EVENT)?.to_element()?;
    let news = event.children().find(|news| news.ns() == EVENT)?;
    let parse = match news.attr("node")? {
        avatar::METADATA => avatar::parse_item,
        nickname::NODE => nickname::parse_item,
        _ => return None,
    };
    match news.name() {
        "items" => {
            let item = news.children().filter(|item| item.is("item", EVENT)).last();
            let is_retracted = news.has_child("retract", EVENT);
            let payload = item.and_then(|item| item.children().next());
            // An item without payload says only that there is something new.
            (payload.is_some() || is_retracted).then(|| parse(payload))
        }
        "purge" | "delete" => Some(parse(None)),
        _ => None,
    }
}

const EVENT: &str = "http://jabber.org/protocol/pubsub#event";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        signal::AvatarHash,
        xmpp::stanza::{Event, Limits, Scanner},
    };

    fn tell(from: &str, news: &str) -> Option<FacePart> {
        let mut scanner = Scanner::between_servers(Limits::default());
        scanner
            .feed(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>");
        let text = format!("<message type='headline'><event xmlns='{EVENT}'>{news}</event></message>");
        scanner.feed(text.as_bytes());
        let _ = scanner.next_event();
        let Ok(Some(Event::Stanza(stanza))) = scanner.next_event() else { panic!("{text}") };
        told(&stanza, &Party::parse(from).unwrap())
    }

    #[test]
    fn news_of_faces_are_read() {
        let hash = AvatarHash::of(b"a");
        let metadata = |inside: &str| {
            format!(
                "<items node='urn:xmpp:avatar:metadata'><item id='x'>\
                 <metadata xmlns='urn:xmpp:avatar:metadata'>{inside}</metadata></item></items>"
            )
        };
        let nick = |inside: &str| {
            format!("<items node='http://jabber.org/protocol/nick'><item id='x'>{inside}</item></items>")
        };
        let info = format!("<info id='{hash}' type='image/png' bytes='1'/>");
        let elsewhere = format!("<info id='{}' url='https://x/' bytes='1'/>{info}", AvatarHash::of(b"b"));
        for (news, expect) in [
            (metadata(&info), Some(FacePart::Picture(Some(hash)))),
            (metadata(&elsewhere), Some(FacePart::Picture(Some(hash)))),
            (metadata(""), Some(FacePart::Picture(None))),
            (metadata("<info id='no hash'/>"), Some(FacePart::Picture(None))),
            (
                nick("<nick xmlns='http://jabber.org/protocol/nick'> Caro</nick>"),
                Some(FacePart::nickname("Caro")),
            ),
            (nick("<nick xmlns='http://jabber.org/protocol/nick'/>"), Some(FacePart::Nickname(None))),
            (nick(""), None),
            (
                "<items node='http://jabber.org/protocol/nick'><retract id='x'/></items>".to_owned(),
                Some(FacePart::Nickname(None)),
            ),
            ("<delete node='urn:xmpp:avatar:metadata'/>".to_owned(), Some(FacePart::Picture(None))),
            ("<items node='urn:x'><item id='x'><x xmlns='u'/></item></items>".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(tell("carol@theirs.example", &news), expect, "{news}");
        }
        assert_eq!(tell("carol@theirs.example/phone", &metadata("")), None);
        assert_eq!(tell("theirs.example", &metadata("")), None);
    }
}
