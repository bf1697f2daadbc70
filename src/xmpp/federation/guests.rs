//! XEP-0163 §4.3 towards people of other domains: which of their sessions our accounts see, and what those want to
//! hear of (XEP-0115). Whoever becomes visible to an account is told how its things are, and news go to the
//! sessions that want them, not to everybody.
//!
//! Bounded: where too much is known, the domain whose people take most room loses those who showed themselves least
//! lately; they are learnt anew with their next presence.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    signal::{Address, Party, Topic},
    xmpp::{
        shares::Shares,
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

struct People {
    /// By their bare addresses, the sessions of each, oldest first; what one domain has is its own share.
    known: Shares<Address, Vec<Guest>>,
    /// The last question.
    last: u64,
}

struct Guest {
    party: Party,
    claim: Claim,
    /// What it wants to hear of, once that is known.
    topics: Option<Arc<[Topic]>>,
    /// The question for its features that waits for an answer.
    asked: Option<u64>,
    /// The accounts that it shows its presence to; at most [`HOSTS`].
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
        match (interests::claim_of(stanza), &from.resource) {
            (Some(claim), Some(_)) => self.people().note(from, host, claim, &self.interests),
            _ => Wish::Nothing,
        }
    }

    /// A session is not there for `host` any more; without a resource, all of them.
    pub(super) fn note_gone(&self, from: &Party, host: &Address) {
        self.people().change(&from.address, |guests| {
            for guest in guests.iter_mut().filter(|guest| from.resource.is_none() || guest.party == *from) {
                guest.hosts.retain(|known| known != host);
            }
            guests.retain(|guest| !guest.hosts.is_empty());
        });
    }

    /// Somebody answers what the server asked him.
    pub(super) fn handle_answer(&self, stanza: &Stanza, from: &Party) -> Wish {
        let id = stanza.id();
        let number = id.as_deref().and_then(|id| id.strip_prefix(QUESTION)?.parse().ok());
        let Some(number) = number.filter(|number| self.people().awaits(from, *number)) else {
            return Wish::Nothing;
        };
        let answer = interests::read_answer(stanza);
        self.people().change(&from.address, |guests| {
            let mut guests = guests.iter_mut();
            let guest = guests.find(|guest| guest.party == *from && guest.asked == Some(number));
            let Some(guest) = guest else { return Wish::Nothing };
            guest.asked = None;
            let Some((topics, hash)) = answer else { return Wish::Nothing };
            if let (Some(hash), Some(checked)) = (hash, guest.claim.checked())
                && *checked == hash
            {
                self.interests.learn(hash.into(), Arc::clone(&topics), from.address.domain());
            }
            guest.topics = Some(Arc::clone(&topics));
            latest(from, guest.hosts.clone(), &topics)
        })
    }

    /// The sessions of `reader` that want to hear of this and show their presence to `host`.
    pub(super) fn readers(&self, reader: &Address, host: &Address, topic: &Topic) -> Vec<Party> {
        let people = self.people();
        let wants = |guest: &&Guest| {
            let topics = guest.topics.as_deref().unwrap_or_default();
            guest.hosts.contains(host) && topics.contains(topic)
        };
        let guests = people.known.find(reader).into_iter().flatten();
        guests.filter(wants).map(|guest| guest.party.clone()).collect()
    }

    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for People {
    fn default() -> Self {
        Self { known: Shares::new(BYTES), last: 0 }
    }
}

impl People {
    fn find(&self, party: &Party) -> Option<&Guest> {
        self.known.find(&party.address)?.iter().find(|guest| guest.party == *party)
    }

    fn awaits(&self, party: &Party, number: u64) -> bool {
        self.find(party).is_some_and(|guest| guest.asked == Some(number))
    }

    fn note(&mut self, from: &Party, host: &Address, claim: Claim, interests: &Interests) -> Wish {
        let has_nothing_new = |guest: &Guest| {
            guest.claim == claim && (guest.hosts.contains(host) || guest.hosts.len() >= HOSTS)
        };
        if self.find(from).is_some_and(has_nothing_new) {
            return Wish::Nothing;
        }
        let number = self.last + 1;
        self.last = number;
        self.change(&from.address, |guests| {
            let at = guests.iter().position(|guest| guest.party == *from);
            let known = at.map(|at| guests.remove(at));
            let is_new = known.as_ref().is_none_or(|guest| guest.claim != claim);
            let mut guest = match known {
                Some(guest) if !is_new => guest,
                known => {
                    let topics = claim.checked().and_then(|hash| interests.find(hash));
                    let asked = topics.is_none().then_some(number);
                    let hosts = known.map(|guest| guest.hosts).unwrap_or_default();
                    Guest { party: from.clone(), claim, topics, asked, hosts }
                }
            };
            let is_seen = guest.show_to(host);
            let wish = match &guest.topics {
                Some(topics) if is_seen => latest(from, vec![host.clone()], topics),
                None if is_new => {
                    Wish::Ask { id: format!("{QUESTION}{number}"), question: guest.claim.question() }
                }
                _ => Wish::Nothing,
            };
            if guests.len() >= SESSIONS {
                guests.remove(0);
            }
            guests.push(guest);
            wish
        })
    }

    /// Changes the sessions of one person, who counts as the newest then.
    fn change<R>(&mut self, person: &Address, change: impl FnOnce(&mut Vec<Guest>) -> R) -> R {
        let mut guests = self.known.remove(person).unwrap_or_default();
        let result = change(&mut guests);
        if !guests.is_empty() {
            let bytes = guests.iter().map(Guest::bytes).sum();
            self.known.insert(person.clone(), person.domain(), guests, bytes);
        }
        result
    }
}

impl Guest {
    /// Tells whether `host` is among those who see it now.
    fn show_to(&mut self, host: &Address) -> bool {
        let is_seen = self.hosts.contains(host);
        if !is_seen && self.hosts.len() < HOSTS {
            self.hosts.push(host.clone());
            return true;
        }
        is_seen
    }

    /// What it takes in memory, about.
    fn bytes(&self) -> usize {
        let hosts = self.hosts.iter().map(|host| host.as_str().len() + size_of::<Address>() + 16);
        let resource = self.party.resource.as_ref().map_or(0, |resource| resource.as_str().len());
        let topics = self.topics.as_deref().map_or(0, interests::bytes_of);
        let party = self.party.address.as_str().len() + resource;
        size_of::<Self>() + party + self.claim.bytes() + topics + hosts.sum::<usize>()
    }
}

fn latest(guest: &Party, hosts: Vec<Address>, topics: &Arc<[Topic]>) -> Wish {
    if topics.is_empty() {
        return Wish::Nothing;
    }
    Wish::Latest { guest: guest.clone(), hosts, topics: Arc::clone(topics) }
}

/// How the ids of questions begin.
const QUESTION: &str = "guest";
/// Most bytes of what is known of all sessions: about fifty thousand of them, as clients are today.
const BYTES: usize = 64 << 20;
/// Most sessions of one person.
const SESSIONS: usize = 20;
/// Most accounts that one session shows itself to.
const HOSTS: usize = 1000;

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

    fn at(local: &str, domain: &str) -> Party {
        Party::parse(&format!("{local}@{domain}/desk")).unwrap()
    }

    fn number(guests: &Guests, of: &Party) -> Option<usize> {
        guests.people().find(of).map(|guest| guest.hosts.len())
    }

    #[test]
    fn one_session_shows_itself_to_so_many_accounts_and_no_more() {
        let guests = Guests::default();
        let carol = at("carol", "them.example");
        for count in 0..HOSTS + 10 {
            // Each time with other features, or with the same as before.
            let here = stanza(&format!("<presence>{CAPS} ver='{}'/></presence>", count / 2));
            guests.note_presence(&here, &carol, &at(&format!("a{count}"), "us.example").address);
        }
        assert_eq!(number(&guests, &carol), Some(HOSTS));
    }

    #[test]
    fn newest_sessions_of_a_person_are_known() {
        let guests = Guests::default();
        let alice = Address::parse("alice@us.example").unwrap();
        let here = stanza(&format!("<presence>{CAPS} ver='v'/></presence>"));
        let sessions: Vec<Party> =
            (0..=SESSIONS).map(|count| Party::parse(&format!("c@them.example/{count}")).unwrap()).collect();
        for session in &sessions {
            guests.note_presence(&here, session, &alice);
        }
        let known: Vec<bool> = sessions.iter().map(|session| number(&guests, session).is_some()).collect();
        assert_eq!((known[0], known[1], known[SESSIONS]), (false, true, true));
    }

    #[test]
    fn flood_of_one_domain_drives_out_its_own_people() {
        let guests = Guests::default();
        let bytes = 1 << 20;
        guests.people().known = Shares::new(bytes);
        let (carol, alice) = (at("carol", "them.example"), Address::parse("alice@us.example").unwrap());
        let here = |node: &str| {
            let caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1'";
            stanza(&format!("<presence>{caps} node='{node}' ver='v'/></presence>"))
        };
        guests.note_presence(&here("n"), &carol, &alice);
        // As large as one person may be, in claims alone.
        let (large, room) = (here(&"x".repeat(1000)), bytes / 1000 / SESSIONS);
        let person = |count: usize| Address::parse(&format!("p{count}@flood.example")).unwrap();
        for count in 0..room {
            for session in 0..SESSIONS {
                let from = Party::parse(&format!("{}/{session}", person(count))).unwrap();
                guests.note_presence(&large, &from, &alice);
            }
        }
        let is_known = |count| guests.people().known.find(&person(count)).is_some();
        assert_eq!((is_known(0), is_known(room - 1)), (false, true));
        assert_eq!(number(&guests, &carol), Some(1));
    }

    #[test]
    fn answer_that_may_be_another_one_is_for_who_gave_it_alone() {
        let guests = Guests::default();
        let [carol, dave] = ["carol", "dave"].map(|local| at(local, "them.example"));
        let alice = Address::parse("alice@us.example").unwrap();
        // The hash of `a+notify`, `b+notify` and `c+notify`, of whoever says it well.
        let three = "<feature var='a+notify'/><feature var='b+notify'/><feature var='c+notify'/>";
        let query = |features: &str| {
            format!("<query xmlns='http://jabber.org/protocol/disco#info'>{features}</query>")
        };
        let said = stanza(&format!("<iq type='result'>{}</iq>", query(three)));
        let hash = interests::read_answer(&said).and_then(|(_, hash)| hash).expect("a hash");
        let here = stanza(&format!("<presence>{CAPS} ver='{hash}'/></presence>"));
        for (features, is_learnt) in
            [("<feature var='a+notify&lt;b+notify&lt;c+notify'/>", false), (three, true)]
        {
            let Wish::Ask { id, .. } = guests.note_presence(&here, &carol, &alice) else {
                panic!("not asked")
            };
            let answer = stanza(&format!("<iq type='result' id='{id}'>{}</iq>", query(features)));
            assert!(matches!(guests.handle_answer(&answer, &carol), Wish::Latest { .. }));
            let wish = guests.note_presence(&here, &dave, &alice);
            assert_eq!(matches!(wish, Wish::Latest { .. }), is_learnt, "{wish:?}");
            guests.note_gone(&carol, &alice);
            guests.note_gone(&dave, &alice);
        }
    }
}
