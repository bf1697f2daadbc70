//! XEP-0084 and XEP-0054, to see the faces of people of other domains: who wants to see one is shown it where it is
//! in the album, or has his question put to their server. Where it is known which picture it is, that is asked for
//! among what she publishes; where it is not there, or not known, her card is.
//!
//! Bounded: so many questions wait at a time, each for so long. Who asks is answered in any case.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::{album::Album, pair::Pair};
use crate::{
    account::{Load, Reply, describe_picture},
    signal::{AvatarHash, Enquiry, Party, Reason, Reject, Signal, Timestamp, Wanted},
    xmpp::{
        stanza::{Head, Jid, Kind, Stanza},
        xep::{avatar, vcard_temp},
    },
};

/// The questions that wait for an answer, and the pictures that came.
pub(super) struct Pictures {
    asked: Mutex<Asked>,
    album: Album,
}

#[derive(Default)]
struct Asked {
    /// By their ids.
    waiting: FxHashMap<String, Question>,
    last: u64,
}

struct Question {
    load: Load,
    since: Instant,
    place: Place,
}

/// Where a picture is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Among what its owner publishes.
    Data(AvatarHash),
    Card,
}

/// A question on its way.
type Sent = (Pair, Vec<u8>);

impl Question {
    fn new(load: Load, now: Instant) -> Option<(Self, Arc<Enquiry>)> {
        let Signal::Enquiry(enquiry) = load.signal() else { return None };
        let enquiry = Arc::clone(enquiry);
        let place = hash_of(&enquiry).map_or(Place::Card, Place::Data);
        Some((Self { load, since: now, place }, enquiry))
    }

    /// Whether an answer by him comes from where the picture is.
    fn is_put_to(&self, from: &Party, to: &Party) -> bool {
        match self.load.signal() {
            Signal::Enquiry(enquiry) => {
                from.resource.is_none() && from.address == enquiry.to && to.address == enquiry.from.address
            }
            _ => false,
        }
    }

    /// The picture, where it is the one that is wanted.
    fn pick(&self, picture: Reply) -> Result<Reply, Reject> {
        match (self.load.signal(), &picture) {
            (Signal::Enquiry(enquiry), Reply::Picture { avatar, .. }) => match hash_of(enquiry) {
                Some(hash) if hash != avatar.hash => Err(Reason::NotFound.into()),
                _ => Ok(picture),
            },
            _ => Err(Reason::Internal.into()),
        }
    }
}

impl Pictures {
    /// No question yet.
    pub(super) fn new(album: Album) -> Self {
        Self { asked: Mutex::default(), album }
    }

    /// What is to be sent where, so that this is answered; `None` where it is already.
    pub(super) fn ask(&self, load: Load, now: Instant) -> Option<Sent> {
        self.expire(now);
        let (question, enquiry) = Question::new(load, now)?;
        let kept = hash_of(&enquiry).and_then(|hash| self.album.find(hash, Timestamp::now()));
        match kept {
            Some(picture) => {
                question.load.settle(Ok(picture));
                None
            }
            None => self.put(question, &enquiry),
        }
    }

    fn put(&self, question: Question, enquiry: &Enquiry) -> Option<Sent> {
        let mut asked = self.asked();
        let pair = Pair::of(&enquiry.from.address, &enquiry.to);
        let Some(pair) = pair.filter(|_| asked.waiting.len() < MOST) else {
            drop(asked);
            question.load.settle(Err(Reason::Overloaded.into()));
            return None;
        };
        asked.last += 1;
        let id = format!("picture{}", asked.last);
        let sent = print(enquiry, question.place, &id);
        asked.waiting.insert(id, question);
        Some((pair, sent))
    }

    /// Somebody answers what an account asked his server; what is to be asked next.
    pub(super) fn handle_answer(
        &self,
        stanza: &Stanza,
        from: &Party,
        to: &Party,
        now: Timestamp,
    ) -> Option<Sent> {
        let id = stanza.id().unwrap_or_default();
        let question = {
            let mut asked = self.asked();
            let is_answer = asked.waiting.get(&*id).is_some_and(|question| question.is_put_to(from, to));
            if is_answer { asked.waiting.remove(&*id) } else { None }
        }?;
        let found = parse(stanza, question.place, now).and_then(|picture| question.pick(picture));
        if let (Err(_), Place::Data(_), Signal::Enquiry(enquiry)) =
            (&found, question.place, question.load.signal())
        {
            let enquiry = Arc::clone(enquiry);
            return self.put(Question { place: Place::Card, ..question }, &enquiry);
        }
        if let (Ok(Reply::Picture { avatar, bytes }), Signal::Enquiry(enquiry)) =
            (&found, question.load.signal())
            && hash_of(enquiry).is_some()
        {
            self.album.keep(avatar.hash, bytes);
        }
        question.load.settle(found);
        None
    }

    /// Gives up what has waited too long.
    pub(super) fn expire(&self, now: Instant) {
        let is_late = |question: &mut Question| now.saturating_duration_since(question.since) >= PATIENCE;
        let late: Vec<_> = self.asked().waiting.extract_if(|_, question| is_late(question)).collect();
        late.into_iter().for_each(|(_, question)| question.load.settle(Err(Reason::RemoteTimeout.into())));
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody wants to see a picture.
pub(super) fn is_wanted(signal: &Signal) -> bool {
    matches!(signal, Signal::Enquiry(enquiry) if matches!(enquiry.wanted, Wanted::Picture { .. }))
}

fn hash_of(enquiry: &Enquiry) -> Option<AvatarHash> {
    match enquiry.wanted {
        Wanted::Picture { hash } => hash,
        _ => None,
    }
}

fn print(enquiry: &Enquiry, place: Place, id: &str) -> Vec<u8> {
    let head = Head {
        kind: Kind::Iq,
        from: Some(Jid::from(&enquiry.from.address)),
        to: Some(Jid::from(&enquiry.to)),
        id: Some(id),
        stanza_type: Some("get"),
        ..Head::default()
    };
    let question = match place {
        Place::Data(hash) => format!(
            "<pubsub xmlns='{PUBSUB}'><items node='{}'><item id='{hash}'/></items></pubsub>",
            avatar::DATA
        ),
        Place::Card => "<vCard xmlns='vcard-temp'/>".to_owned(),
    };
    let mut out = Vec::new();
    head.print(&[question.as_bytes()], &mut out);
    out
}

/// The picture of an answer, as its bytes say what it is.
fn parse(stanza: &Stanza, place: Place, now: Timestamp) -> Result<Reply, Reject> {
    let bytes = match place {
        Place::Data(_) => parse_data(stanza),
        Place::Card => parse_card(stanza),
    };
    let found = bytes.and_then(|bytes| Some((describe_picture(&bytes, now)?, bytes)));
    match found {
        Some((avatar, bytes)) => Ok(Reply::Picture { avatar: avatar.into(), bytes }),
        None => Err(Reason::NotFound.into()),
    }
}

fn parse_data(stanza: &Stanza) -> Option<Bytes> {
    let pubsub = stanza.child("pubsub", PUBSUB)?.to_element()?;
    let item = pubsub.get_child("items", PUBSUB)?.get_child("item", PUBSUB)?;
    avatar::parse_data(item.children().next()?)
}

fn parse_card(stanza: &Stanza) -> Option<Bytes> {
    let card = stanza.child("vCard", "vcard-temp")?.to_element()?;
    vcard_temp::parse_photo(&card).ok().flatten()
}

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// Most questions that wait at a time.
const MOST: usize = 1000;
/// How long one waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::stanza::{Event, Limits, Scanner};

    fn answer(text: &str, place: Place) -> Result<Reply, Reject> {
        let mut scanner = Scanner::between_servers(Limits::default());
        scanner
            .feed(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>");
        scanner.feed(text.as_bytes());
        let _ = scanner.next_event();
        let Ok(Some(Event::Stanza(stanza))) = scanner.next_event() else { panic!("{text}") };
        parse(&stanza, place, Timestamp(1))
    }

    #[test]
    fn picture_of_an_item_is_what_its_bytes_say() {
        let hash = AvatarHash::of(b"");
        let item = |data: &str| {
            let items = format!("<items node='urn:xmpp:avatar:data'><item id='{hash}'>{data}</item></items>");
            let text = format!("<iq type='result' id='1'><pubsub xmlns='{PUBSUB}'>{items}</pubsub></iq>");
            answer(&text, Place::Data(hash))
        };
        match item("<data xmlns='urn:xmpp:avatar:data'>R0lGODlhAQAB\n</data>") {
            Ok(Reply::Picture { avatar, bytes }) => {
                assert_eq!((&*avatar.media_type, bytes.len()), ("image/gif", 9));
            }
            other => panic!("{other:?}"),
        }
        for data in ["", "<data xmlns='urn:xmpp:avatar:data'>?</data>", "<data xmlns='u'>R0lGODlhAQAB</data>"]
        {
            assert!(item(data).is_err(), "{data}");
        }
    }

    #[test]
    fn picture_of_a_card_is_what_its_bytes_say() {
        let card = |photo: &str| {
            let card = format!("<vCard xmlns='vcard-temp'><FN>C</FN>{photo}</vCard>");
            answer(&format!("<iq type='result' id='1'>{card}</iq>"), Place::Card)
        };
        // The beginning of a GIF, claimed to be something else.
        let gif = "<PHOTO><TYPE>image/svg+xml</TYPE><BINVAL>R0lGODlhAQAB\n</BINVAL></PHOTO>";
        match card(gif) {
            Ok(Reply::Picture { avatar, bytes }) => {
                assert_eq!((&*avatar.media_type, bytes.len()), ("image/gif", 9));
            }
            other => panic!("{other:?}"),
        }
        for photo in
            ["", "<PHOTO/>", "<PHOTO><BINVAL>?</BINVAL></PHOTO>", "<PHOTO><BINVAL>PHN2Zz4=</BINVAL></PHOTO>"]
        {
            assert_eq!(card(photo).err().map(|reject| reject.reason), Some(Reason::NotFound), "{photo}");
        }
        assert!(answer("<iq type='error' id='1'/>", Place::Card).is_err());
    }
}
