//! The rules of one BOSH session (XEP-0124): which request is handled when, which answer waits for how long.
//!
//! Pure state: requests, what the server sends, and the time go in; [`Deed`]s come out. `R` is the way to answer a
//! request. It knows nothing of what the elements mean.
//!
//! Bounds: at most [`Terms::requests`] requests ahead of the next one wait for their turn, and as many answers are
//! kept for who did not get them. What the server sends waits with the caller while [`Exchange::is_full`].

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::body::{Answer, Body};

/// What was agreed when the session was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// How long a request may be held.
    pub(super) wait: Duration,
    /// How many may be held.
    pub(super) hold: usize,
    /// How long the client may be without a request here.
    pub(super) inactivity: Duration,
    /// The longest pause.
    pub(super) longest_pause: Duration,
    /// The shortest time between two empty requests of a client that holds none here.
    pub(super) polling: Duration,
    /// Bytes that may wait in one direction.
    pub(super) most_bytes: usize,
}

impl Terms {
    /// How many requests a client may have open.
    pub(super) fn requests(&self) -> usize {
        self.hold + 1
    }

    fn is_polling(&self) -> bool {
        self.hold == 0 || self.wait.is_zero()
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed<R> {
    Answer(R, Answer),
    /// The client's bytes for the stream.
    Feed(Bytes),
    /// The client opens the stream anew.
    Restart(Body),
    /// The client ends the stream.
    End,
}

/// One session.
#[derive(Debug)]
pub(super) struct Exchange<R> {
    terms: Terms,
    /// The number of the request that is handled next.
    next: u64,
    /// Requests that came before their turn.
    early: BTreeMap<u64, (Body, R)>,
    /// Handled and not answered, in order.
    held: VecDeque<Held<R>>,
    /// Answers that the client may ask for again.
    answered: VecDeque<(u64, Answer)>,
    /// What waits for a request to answer.
    outgoing: Vec<Bytes>,
    outgoing_bytes: usize,
    /// Bytes that were fed and not read yet.
    unread: usize,
    /// What the first answer says.
    greeting: Vec<(&'static str, String)>,
    /// Since when no request is held, and how long that may last.
    idle: Option<(Instant, Duration)>,
    /// When the last empty request came, where its answer was empty too.
    last_empty: Option<Instant>,
    /// How the session ended.
    end: Option<Answer>,
    /// The client knows.
    is_told: bool,
}

#[derive(Debug)]
struct Held<R> {
    request: u64,
    until: Instant,
    reply: R,
}

impl<R> Exchange<R> {
    /// A session whose first request is number `first`; the first answer has `greeting` among its attributes.
    pub(super) fn new(
        terms: Terms,
        first: u64,
        reply: R,
        greeting: Vec<(&'static str, String)>,
        now: Instant,
    ) -> Self {
        Self {
            terms,
            next: first + 1,
            early: BTreeMap::new(),
            // Held until the stream is open, whatever the client wants.
            held: VecDeque::from([Held { request: first, until: now + OPENING, reply }]),
            answered: VecDeque::new(),
            outgoing: Vec::new(),
            outgoing_bytes: 0,
            unread: 0,
            greeting,
            idle: None,
            last_empty: None,
            end: None,
            is_told: false,
        }
    }

    /// Whether the client has to fetch something before it is sent more.
    pub(super) fn is_full(&self) -> bool {
        self.outgoing_bytes > self.terms.most_bytes
    }

    /// Whether the session is over and everybody knows.
    pub(super) fn is_settled(&self) -> bool {
        self.end.is_some() && self.is_told
    }

    /// A request came.
    pub(super) fn handle_request(&mut self, body: Body, reply: R, now: Instant) -> Vec<Deed<R>> {
        let number = body.request;
        if let Some(end) = &self.end {
            self.is_told = true;
            return vec![Deed::Answer(reply, end.clone())];
        }
        if number < self.next {
            return self.handle_repeat(number, reply);
        }
        if number > self.next + self.terms.requests() as u64 {
            return self.handle_violation(reply, "item-not-found", now);
        }
        if let Some((_, earlier)) = self.early.insert(number, (body, reply)) {
            let mut deeds = vec![Deed::Answer(earlier, recoverable())];
            deeds.extend(self.work_off(now));
            return deeds;
        }
        self.work_off(now)
    }

    /// The same request once more: its answer got lost, or will go another way (XEP-0124 §14.3).
    fn handle_repeat(&mut self, number: u64, reply: R) -> Vec<Deed<R>> {
        if let Some((_, answer)) = self.answered.iter().find(|(known, _)| *known == number) {
            return vec![Deed::Answer(reply, answer.clone())];
        }
        match self.held.iter_mut().find(|held| held.request == number) {
            Some(held) => {
                vec![Deed::Answer(std::mem::replace(&mut held.reply, reply), recoverable())]
            }
            None => vec![Deed::Answer(reply, Answer::end(Some("item-not-found")))],
        }
    }

    /// The client does what it may not: the session is over, and so is the stream.
    fn handle_violation(&mut self, reply: R, condition: &'static str, now: Instant) -> Vec<Deed<R>> {
        let mut deeds = vec![Deed::Answer(reply, Answer::end(Some(condition))), Deed::End];
        deeds.extend(self.handle_end(Some(condition), now));
        self.is_told = true;
        deeds
    }

    /// Handles the requests whose turn it is, as long as what they brought is read.
    fn work_off(&mut self, now: Instant) -> Vec<Deed<R>> {
        let mut deeds = Vec::new();
        while self.unread <= self.terms.most_bytes && self.end.is_none() {
            let Some((body, reply)) = self.early.remove(&self.next) else { break };
            self.next += 1;
            self.idle = None;
            if self.is_hasty(&body, now) {
                deeds.extend(self.handle_violation(reply, "policy-violation", now));
                break;
            }
            self.take(body, reply, now, &mut deeds);
        }
        deeds.extend(self.answer(now));
        deeds
    }

    fn take(&mut self, mut body: Body, reply: R, now: Instant, deeds: &mut Vec<Deed<R>>) {
        if let Some(acknowledged) = body.acknowledged {
            self.answered.retain(|(number, _)| *number > acknowledged);
        }
        self.last_empty = body.is_empty().then_some(now);
        let pause = body.pause.map(|seconds| Duration::from_secs(seconds.into()));
        self.held.push_back(Held { request: body.request, until: now + self.terms.wait, reply });
        self.unread += body.len();
        deeds.extend(std::mem::take(&mut body.elements).into_iter().map(Deed::Feed));
        if body.is_end {
            deeds.push(Deed::End);
        } else if let Some(pause) = pause.filter(|pause| *pause <= self.terms.longest_pause) {
            self.answer_all(now, deeds);
            self.idle = Some((now, pause));
        } else if body.is_restart {
            deeds.push(Deed::Restart(body));
        }
    }

    /// Whether it asks more often than it may (XEP-0124 §12).
    fn is_hasty(&self, body: &Body, now: Instant) -> bool {
        let is_soon = self.last_empty.is_some_and(|last| now < last + self.terms.polling);
        self.terms.is_polling() && body.is_empty() && is_soon
    }

    /// The stream read so many bytes of what was fed.
    pub(super) fn handle_read(&mut self, count: usize, now: Instant) -> Vec<Deed<R>> {
        self.unread = self.unread.saturating_sub(count);
        if self.early.is_empty() { Vec::new() } else { self.work_off(now) }
    }

    /// The server sends this.
    pub(super) fn handle_outgoing(&mut self, element: Bytes) {
        self.outgoing_bytes += element.len();
        self.outgoing.push(element);
    }

    /// Answers what can be answered: with what waits, and what is held beyond what was agreed.
    pub(super) fn answer(&mut self, now: Instant) -> Vec<Deed<R>> {
        let mut deeds = Vec::new();
        // The first answer is about the stream, which has to open first.
        let is_greeted = self.greeting.is_empty();
        if !self.outgoing.is_empty() {
            deeds.extend(self.answer_first(now));
        }
        while is_greeted && self.held.len() > self.terms.hold && self.end.is_none() {
            deeds.extend(self.answer_first(now));
        }
        deeds
    }

    fn answer_all(&mut self, now: Instant, deeds: &mut Vec<Deed<R>>) {
        while let Some(deed) = self.answer_first(now) {
            deeds.push(deed);
        }
    }

    /// Answers the request that is held longest, with all that waits.
    fn answer_first(&mut self, now: Instant) -> Option<Deed<R>> {
        let held = self.held.pop_front()?;
        let elements = std::mem::take(&mut self.outgoing);
        self.outgoing_bytes = 0;
        if !elements.is_empty() {
            self.last_empty = None;
        }
        let mut attributes = std::mem::take(&mut self.greeting);
        let highest = self.next - 1;
        if highest != held.request || !attributes.is_empty() {
            attributes.push(("ack", highest.to_string()));
        }
        let answer = Answer { attributes, elements };
        self.keep(held.request, answer.clone());
        if self.held.is_empty() {
            self.idle = Some((now, self.terms.inactivity));
        }
        Some(Deed::Answer(held.reply, answer))
    }

    /// Keeps an answer for who did not get it.
    fn keep(&mut self, request: u64, answer: Answer) {
        self.answered.push_back((request, answer));
        while self.answered.len() > self.terms.requests() {
            self.answered.pop_front();
        }
    }

    /// The stream is over: everybody who waits is told.
    pub(super) fn handle_end(&mut self, condition: Option<&'static str>, now: Instant) -> Vec<Deed<R>> {
        if self.end.is_some() {
            return Vec::new();
        }
        let end = Answer::end(condition);
        let mut last = Answer { elements: std::mem::take(&mut self.outgoing), ..end.clone() };
        let early = std::mem::take(&mut self.early);
        let waiting = self.held.drain(..).map(|held| held.reply).chain(early.into_values().map(|one| one.1));
        let mut deeds = Vec::new();
        for reply in waiting {
            deeds.push(Deed::Answer(reply, std::mem::replace(&mut last, end.clone())));
        }
        // Where nobody was there, who comes next hears what would have been said.
        self.is_told = !deeds.is_empty();
        self.end = Some(last);
        self.idle = Some((now, self.terms.inactivity));
        deeds
    }

    /// When [`Exchange::handle_time`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let held = self.held.front().map(|held| held.until);
        held.or_else(|| self.idle.map(|(since, patience)| since + patience))
    }

    /// Answers what was held long enough. `None`: the client is gone.
    pub(super) fn handle_time(&mut self, now: Instant) -> Option<Vec<Deed<R>>> {
        if self.held.is_empty() {
            let is_over = self.idle.is_some_and(|(since, patience)| since + patience <= now);
            return if is_over { None } else { Some(Vec::new()) };
        }
        let mut deeds = Vec::new();
        while self.held.front().is_some_and(|held| held.until <= now) {
            deeds.extend(self.answer_first(now));
        }
        Some(deeds)
    }
}

/// "Ask again" (XEP-0124 §17.3).
fn recoverable() -> Answer {
    Answer { attributes: vec![("type", "error".to_owned())], elements: Vec::new() }
}

/// How long the first request waits for the stream to open.
const OPENING: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        wait: Duration::from_secs(60),
        hold: 1,
        inactivity: Duration::from_secs(30),
        longest_pause: Duration::from_secs(120),
        polling: Duration::from_secs(5),
        most_bytes: 100,
    };

    /// A session that has answered its first request, number 10, by way `0`.
    fn opened(terms: Terms, now: Instant) -> Exchange<u32> {
        let mut exchange = Exchange::new(terms, 10, 0, vec![("sid", "s".into())], now);
        assert_eq!(exchange.answer(now), []);
        exchange.handle_outgoing(Bytes::from_static(b"<features/>"));
        let deeds = exchange.answer(now);
        let [Deed::Answer(0, answer)] = &deeds[..] else { panic!("{deeds:?}") };
        assert_eq!(answer.attributes, [("sid", "s".to_owned()), ("ack", "10".to_owned())]);
        exchange
    }

    fn request(request: u64, text: &'static str) -> Body {
        let elements = if text.is_empty() { vec![] } else { vec![Bytes::from_static(text.as_bytes())] };
        Body { request, elements, ..Body::default() }
    }

    /// What was done, in short.
    fn told(deeds: Vec<Deed<u32>>) -> Vec<String> {
        let tell = |deed| match deed {
            Deed::Answer(reply, answer) => {
                let text = String::from_utf8(answer.print()).unwrap();
                let text = text.split_once("streams'").unwrap().1.trim_end_matches("</body>").to_owned();
                format!("{reply}{text}")
            }
            Deed::Feed(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Deed::Restart(_) => "restart".to_owned(),
            Deed::End => "end".to_owned(),
        };
        deeds.into_iter().map(tell).collect()
    }

    #[test]
    fn a_request_is_held_until_there_is_something_to_say() {
        let now = Instant::now();
        let mut exchange = opened(TERMS, now);
        assert_eq!(told(exchange.handle_request(request(11, "<a/>"), 1, now)), ["<a/>"]);
        exchange.handle_outgoing(Bytes::from_static(b"<x/>"));
        exchange.handle_outgoing(Bytes::from_static(b"<y/>"));
        assert_eq!(told(exchange.answer(now)), ["1><x/><y/>"]);
        // What comes while nobody asks waits for who does.
        exchange.handle_outgoing(Bytes::from_static(b"<z/>"));
        assert_eq!(told(exchange.answer(now)), Vec::<String>::new());
        assert_eq!(told(exchange.handle_request(request(12, ""), 2, now)), ["2><z/>"]);
    }

    #[test]
    fn a_second_request_frees_the_first() {
        let now = Instant::now();
        let mut exchange = opened(TERMS, now);
        exchange.handle_request(request(11, ""), 1, now);
        assert_eq!(told(exchange.handle_request(request(12, "<a/>"), 2, now)), ["<a/>", "1 ack='12'>"]);
    }

    #[test]
    fn requests_are_handled_in_their_order() {
        let now = Instant::now();
        let mut exchange = opened(TERMS, now);
        assert_eq!(told(exchange.handle_request(request(12, "<b/>"), 2, now)), Vec::<String>::new());
        let deeds = told(exchange.handle_request(request(11, "<a/>"), 1, now));
        assert_eq!(deeds, ["<a/>", "<b/>", "1 ack='12'>"]);
    }

    #[test]
    fn a_lost_answer_is_given_again() {
        let now = Instant::now();
        let mut exchange = opened(TERMS, now);
        exchange.handle_request(request(11, "<a/>"), 1, now);
        exchange.handle_outgoing(Bytes::from_static(b"<x/>"));
        exchange.answer(now);
        assert_eq!(told(exchange.handle_request(request(11, "<a/>"), 2, now)), ["2><x/>"]);
        // Still held: the new way counts.
        exchange.handle_request(request(12, ""), 3, now);
        assert_eq!(told(exchange.handle_request(request(12, ""), 4, now)), ["3 type='error'>"]);
        exchange.handle_outgoing(Bytes::from_static(b"<y/>"));
        assert_eq!(told(exchange.answer(now)), ["4><y/>"]);
        // Acknowledged, and so not kept.
        let body = Body { acknowledged: Some(12), ..request(13, "") };
        exchange.handle_request(body, 5, now);
        let gone = ["6 type='terminate' condition='item-not-found'>"];
        assert_eq!(told(exchange.handle_request(request(12, ""), 6, now)), gone);
    }

    #[test]
    fn numbers_outside_of_the_window_end_the_session() {
        let now = Instant::now();
        let mut exchange = opened(TERMS, now);
        exchange.handle_request(request(11, ""), 1, now);
        let gone = |way| format!("{way} type='terminate' condition='item-not-found'>");
        assert_eq!(told(exchange.handle_request(request(15, ""), 2, now)), [gone(2), "end".into(), gone(1)]);
        assert!(exchange.is_settled());
        assert_eq!(told(exchange.handle_request(request(12, ""), 3, now)), [gone(3)]);
    }

    #[test]
    fn time_answers_and_ends() {
        let now = Instant::now();
        let mut exchange = opened(TERMS, now);
        exchange.handle_request(request(11, ""), 1, now);
        let later = now + TERMS.wait;
        assert_eq!(exchange.due(), Some(later));
        assert_eq!(told(exchange.handle_time(later).unwrap()), ["1>"]);
        assert_eq!(exchange.due(), Some(later + TERMS.inactivity));
        assert_eq!(exchange.handle_time(later + TERMS.inactivity), None);
    }

    #[test]
    fn a_pause_frees_everything_and_lasts() {
        let now = Instant::now();
        let mut exchange = opened(TERMS, now);
        exchange.handle_request(request(11, ""), 1, now);
        let pause = Body { pause: Some(100), ..request(12, "") };
        assert_eq!(told(exchange.handle_request(pause, 2, now)), ["1 ack='12'>", "2>"]);
        assert_eq!(exchange.due(), Some(now + Duration::from_secs(100)));
        exchange.handle_outgoing(Bytes::from_static(b"<x/>"));
        assert_eq!(told(exchange.handle_request(request(13, ""), 3, now)), ["3><x/>"]);
    }

    #[test]
    fn who_polls_too_often_is_sent_away() {
        let now = Instant::now();
        let mut exchange = opened(Terms { hold: 0, ..TERMS }, now);
        assert_eq!(told(exchange.handle_request(request(11, ""), 1, now)), ["1>"]);
        assert_eq!(told(exchange.handle_request(request(12, ""), 2, now + TERMS.polling)), ["2>"]);
        let soon = now + TERMS.polling + Duration::from_secs(1);
        let refused = "3 type='terminate' condition='policy-violation'>";
        assert_eq!(told(exchange.handle_request(request(13, ""), 3, soon)), [refused, "end"]);
    }

    #[test]
    fn what_is_not_read_holds_the_next_requests_back() {
        let now = Instant::now();
        let mut exchange = opened(TERMS, now);
        let large: &'static str = Box::leak("x".repeat(101).into_boxed_str());
        assert_eq!(exchange.handle_request(request(11, large), 1, now).len(), 1);
        assert_eq!(exchange.handle_request(request(12, "<a/>"), 2, now), []);
        assert_eq!(told(exchange.handle_read(101, now)), ["<a/>", "1 ack='12'>"]);
    }

    #[test]
    fn an_end_tells_everybody() {
        let now = Instant::now();
        let mut exchange = opened(TERMS, now);
        exchange.handle_request(request(11, ""), 1, now);
        exchange.handle_outgoing(Bytes::from_static(b"<error/>"));
        let deeds = exchange.handle_end(Some("remote-stream-error"), now);
        assert_eq!(told(deeds), ["1 type='terminate' condition='remote-stream-error'><error/>"]);
        let mut alone = opened(TERMS, now);
        alone.handle_outgoing(Bytes::from_static(b"<error/>"));
        assert_eq!(alone.handle_end(None, now), []);
        assert!(!alone.is_settled());
        assert_eq!(told(alone.handle_request(request(11, ""), 1, now)), ["1 type='terminate'><error/>"]);
    }
}
