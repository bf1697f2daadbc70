//! XEP-0163 §4.3 towards people of other domains: which of their sessions our accounts see, and what those want to
//! hear of (XEP-0115). Whoever becomes visible to an account is told how its things are, and news go to the
//! sessions that want them, not to everybody.
//!
//! Bounded: one person too many, and what is known of all is forgotten, to be learnt anew with their next presence.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::{
    signal::{Address, Party, Topic},
    xmpp::{
        stanza::Stanza,
        xep::interests::{self, Claim, Interests},
    },
};

/// The sessions of other domains that our accounts see.
#[derive(Default)]
pub(super) struct Guests {
    people: Mutex<People>,
    interests: Interests,
}

#[derive(Default)]
struct People {
    /// By their bare addresses.
    known: FxHashMap<Address, Vec<Guest>>,
    /// Who was asked for his features, by the ids of the questions.
    asked: FxHashMap<String, Party>,
    last: u64,
}

struct Guest {
    party: Party,
    claim: Claim,
    /// What it wants to hear of, once that is known.
    topics: Option<Arc<[Topic]>>,
    /// The accounts that it shows its presence to.
    hosts: Vec<Address>,
}

/// What is to be done after somebody showed himself.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    Nothing,
    /// These accounts tell him how what he wants to hear of is.
    Latest {
        guest: Party,
        hosts: Vec<Address>,
        topics: Arc<[Topic]>,
    },
    /// He is asked for his features.
    Ask {
        id: String,
        question: Vec<u8>,
    },
}

impl Guests {
    /// A session shows to `host` that it is there.
    pub(super) fn note_presence(&self, stanza: &Stanza, from: &Party, host: &Address) -> Wish {
        let claim = interests::claim_of(stanza);
        let (Some(claim), Some(_)) = (claim, &from.resource) else { return Wish::Nothing };
        let mut people = self.people();
        if people.known.len() >= PEOPLE {
            people.known.clear();
        }
        let guests = people.known.entry(from.address.clone()).or_default();
        let at = guests.iter().position(|guest| guest.party == *from);
        let is_same = at.and_then(|at| guests.get(at)).is_some_and(|guest| guest.claim == claim);
        match at.and_then(|at| guests.get_mut(at)) {
            Some(guest) if is_same => {
                if guest.hosts.contains(host) || guest.hosts.len() >= HOSTS {
                    return Wish::Nothing;
                }
                guest.hosts.push(host.clone());
                match &guest.topics {
                    Some(topics) => latest(from, vec![host.clone()], topics),
                    None => Wish::Nothing,
                }
            }
            known => {
                let topics = claim.checked().and_then(|hash| self.interests.find(hash));
                let question = claim.question();
                match known {
                    Some(guest) => {
                        guest.claim = claim;
                        guest.topics.clone_from(&topics);
                        if !guest.hosts.contains(host) {
                            guest.hosts.push(host.clone());
                        }
                    }
                    None => {
                        guests.truncate(SESSIONS - 1);
                        let hosts = vec![host.clone()];
                        let (party, topics) = (from.clone(), topics.clone());
                        guests.push(Guest { party, claim, topics, hosts });
                    }
                }
                match topics {
                    Some(topics) => latest(from, vec![host.clone()], &topics),
                    None => people.ask(from, question),
                }
            }
        }
    }

    /// A session is not there for `host` any more; without a resource, all of them.
    pub(super) fn note_gone(&self, from: &Party, host: &Address) {
        let mut people = self.people();
        let Some(guests) = people.known.get_mut(&from.address) else { return };
        for guest in guests.iter_mut().filter(|guest| from.resource.is_none() || guest.party == *from) {
            guest.hosts.retain(|known| known != host);
        }
        guests.retain(|guest| !guest.hosts.is_empty());
        if guests.is_empty() {
            people.known.remove(&from.address);
        }
    }

    /// Somebody answers what the server asked him.
    pub(super) fn handle_answer(&self, stanza: &Stanza, from: &Party) -> Wish {
        let mut people = self.people();
        let id = stanza.id().unwrap_or_default();
        if people.asked.get(&*id) != Some(from) {
            return Wish::Nothing;
        }
        people.asked.remove(&*id);
        let Some((topics, hash)) = interests::read_answer(stanza) else { return Wish::Nothing };
        let guests = people.known.get_mut(&from.address);
        let guest = guests.and_then(|guests| guests.iter_mut().find(|guest| guest.party == *from));
        let Some(guest) = guest else { return Wish::Nothing };
        if guest.claim.checked().is_some_and(|checked| *checked == hash) {
            self.interests.learn(hash.into(), Arc::clone(&topics));
        }
        guest.topics = Some(Arc::clone(&topics));
        latest(from, guest.hosts.clone(), &topics)
    }

    /// The sessions of `reader` that want to hear of this and show their presence to `host`.
    pub(super) fn readers(&self, reader: &Address, host: &Address, topic: &Topic) -> Vec<Party> {
        let people = self.people();
        let wants = |guest: &&Guest| {
            let topics = guest.topics.as_deref().unwrap_or_default();
            guest.hosts.contains(host) && topics.contains(topic)
        };
        let guests = people.known.get(reader).into_iter().flatten();
        guests.filter(wants).map(|guest| guest.party.clone()).collect()
    }

    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl People {
    fn ask(&mut self, whom: &Party, question: Vec<u8>) -> Wish {
        if self.asked.len() >= ASKED {
            self.asked.clear();
        }
        self.last += 1;
        let id = format!("guest{}", self.last);
        self.asked.insert(id.clone(), whom.clone());
        Wish::Ask { id, question }
    }
}

fn latest(guest: &Party, hosts: Vec<Address>, topics: &Arc<[Topic]>) -> Wish {
    if topics.is_empty() {
        return Wish::Nothing;
    }
    Wish::Latest { guest: guest.clone(), hosts, topics: Arc::clone(topics) }
}

const PEOPLE: usize = 50_000;
/// Most sessions of one person.
const SESSIONS: usize = 20;
/// Most accounts that one session shows itself to.
const HOSTS: usize = 1000;
/// Most questions that wait for an answer.
const ASKED: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::stanza::{Event, Limits, Scanner};

    const CAPS: &str = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n'";

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

    fn answer(id: &str) -> Stanza {
        stanza(&format!(
            "<iq type='result' id='{id}'><query xmlns='http://jabber.org/protocol/disco#info'>\
             <feature var='urn:x+notify'/></query></iq>"
        ))
    }

    #[test]
    fn news_go_to_the_sessions_that_want_them_and_are_seen() {
        let guests = Guests::default();
        let carol = Party::parse("carol@them.example/desk").unwrap();
        let [alice, bob] = ["alice@us.example", "bob@us.example"].map(|text| Address::parse(text).unwrap());
        let here = stanza(&format!("<presence>{CAPS} ver='v'/></presence>"));
        let asked = guests.note_presence(&here, &carol, &alice);
        let Wish::Ask { id, question } = asked else { panic!("{asked:?}") };
        assert!(String::from_utf8(question).unwrap().contains("node='n#v'"));
        assert_eq!(guests.note_presence(&here, &carol, &alice), Wish::Nothing);
        let topic = Topic::Node(crate::signal::NodeName::parse("urn:x").unwrap());
        assert!(guests.readers(&carol.address, &alice, &topic).is_empty());

        let stranger = Party::parse("eve@them.example/desk").unwrap();
        assert_eq!(guests.handle_answer(&answer(&id), &stranger), Wish::Nothing);
        let Wish::Latest { hosts, topics, .. } = guests.handle_answer(&answer(&id), &carol) else {
            panic!("nothing to tell")
        };
        assert_eq!((hosts, &*topics), (vec![alice.clone()], &[topic.clone()][..]));
        assert_eq!(guests.readers(&carol.address, &alice, &topic), std::slice::from_ref(&carol));
        assert!(guests.readers(&carol.address, &bob, &topic).is_empty());
        let Wish::Latest { hosts, .. } = guests.note_presence(&here, &carol, &bob) else { panic!("untold") };
        assert_eq!(hosts, [bob]);

        guests.note_gone(&carol, &alice);
        assert!(guests.readers(&carol.address, &alice, &topic).is_empty());
    }
}
