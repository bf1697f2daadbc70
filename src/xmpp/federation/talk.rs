//! One stream with another server, once it carries stanzas or may: the only task that touches its socket.
//!
//! It writes what its [`Link`] has, reads what the other server may send, and goes on proving domains where the
//! other server opened it.

mod over;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tracing::{debug, info};

use super::{
    custody::{Custody, SM},
    door::Shared,
    link::{Item, Link},
    pair::Pair,
    print,
    receive::{self, Received},
    reception::{self, Answer, Reception, Step},
    resumption::{Berth, Claim},
};
use crate::{
    formats::xml::parse_boolean,
    net::{Proof, ShutdownSignal, Stream, Tasks},
    signal::{Party, Reason, Reject},
    xmpp::{
        chance::Chance,
        stanza::{Event, Kind, Scanner, Stanza},
        stream::{Condition, StreamError, Ticket, print_failed},
        wire::Wire,
    },
};

/// Who opened the stream.
pub(super) enum Role {
    /// We did, to carry what the link has. The other server may send for what is `proved`, and says what it has
    /// where it `acknowledges`.
    Ours { proved: Vec<Pair>, link: Arc<Link>, acknowledges: bool },
    /// They did.
    Theirs(Box<Reception>),
}

/// How a stream ends.
enum End {
    /// Said, or nothing to say any more.
    Quiet,
    /// The connection is gone.
    Gone,
    /// The other server goes on with it on another connection.
    Claimed(Claim),
    Error(StreamError),
}

impl<E: Into<StreamError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// One connection that another server opened.
pub(super) async fn receive(shared: Arc<Shared>, stream: Stream, signal: ShutdownSignal) {
    let mut reception = shared.reception();
    if stream.is_secure() {
        reception.handle_secured(stream.proof(&shared.trust));
    }
    let scanner = Scanner::between_servers(shared.limits_before_proof());
    let wire = Wire::new(stream, scanner, &shared.limits, shared.config.patience());
    run(shared, wire, Role::Theirs(Box::new(reception)), signal).await;
}

/// Talks until either side ends it.
pub(super) async fn run(shared: Arc<Shared>, wire: Wire, role: Role, signal: ShutdownSignal) {
    let (proved, link, reception, acknowledges) = match role {
        Role::Ours { proved, link, acknowledges } => (proved, Some(link), None, acknowledges),
        Role::Theirs(reception) => (Vec::new(), None, Some(reception), false),
    };
    if let Some(link) = &link {
        // Something may wait already.
        link.wake.notify_one();
    }
    let (news, mut heard) = mpsc::channel(NEWS);
    let born = Instant::now();
    let broken = link.as_ref().and_then(|link| link.take_broken());
    let custody = broken.unwrap_or_else(|| Custody::new(&shared.config));
    let mut talk = Talk {
        shared,
        wire: Some(wire),
        reception,
        proved,
        link,
        entered: Vec::new(),
        news,
        custody,
        berth: None,
        tasks: Tasks::new(),
        questions: Tasks::new(),
        chance: Chance::default(),
        has_header: false,
        heard: born,
        born,
    };
    let end = match talk.begin(acknowledges).await {
        Ok(()) => talk.converse(&mut heard, &signal).await,
        Err(end) => end,
    };
    talk.finish(end, heard, &signal).await;
}

/// What came of a task.
enum News {
    /// Of the question about a key.
    Answered(Pair, Answer),
    /// This stanza is dealt with.
    Settled(Ticket),
}

struct Talk {
    shared: Arc<Shared>,
    /// Empty only while the connection changes to TLS.
    wire: Option<Wire>,
    /// What is known of the other server, where it opened the stream.
    reception: Option<Box<Reception>>,
    /// The pairs that the other server may speak for, where we opened it.
    proved: Vec<Pair>,
    /// What this stream carries.
    link: Option<Arc<Link>>,
    /// The links of the domains that count this stream as theirs.
    entered: Vec<Arc<Link>>,
    /// Where the tasks of this stream tell what came of them.
    news: mpsc::Sender<News>,
    /// What the other server has not acknowledged, and what we have not.
    custody: Custody,
    /// By what the other server may go on with the stream.
    berth: Option<Berth>,
    /// Stanzas whose fate is not known yet.
    tasks: Tasks,
    /// What is asked about keys: of no use once the stream is over.
    questions: Tasks,
    chance: Chance,
    /// A header of ours was written.
    has_header: bool,
    /// When something was heard or said last.
    heard: Instant,
    born: Instant,
}

impl Talk {
    /// Says first what is to be said once stanzas may be sent.
    async fn begin(&mut self, acknowledges: bool) -> Result<(), End> {
        if acknowledges {
            let wanted = self.custody.want(std::time::Instant::now());
            return self.write(&wanted).await;
        }
        // An earlier stream cannot go on here.
        let left = self.custody.end();
        if let Some(link) = &self.link {
            link.give_back(left);
        }
        Ok(())
    }

    async fn converse(&mut self, news: &mut mpsc::Receiver<News>, signal: &ShutdownSignal) -> End {
        self.has_header = self.reception.is_none();
        loop {
            let takes_input = self.tasks.len() < TASKS;
            // After its proof the other server opens the stream anew; until then it reads nothing else.
            let is_open = self.reception.as_ref().is_none_or(|reception| !reception.is_opening());
            let may_write = is_open && self.custody.has_room();
            let due = self.due();
            let Some(wire) = self.wire.as_mut() else { return End::Gone };
            let outcome = tokio::select! {
                read = wire.read(), if takes_input => match read {
                    Ok(0) | Err(_) => Err(End::Gone),
                    Ok(_) => self.handle_input().await,
                },
                () = rung(self.link.as_deref()), if may_write => self.carry().await,
                Some(news) = news.recv() => self.handle_news(news).await,
                claim = claimed(self.berth.as_mut()) => Err(End::Claimed(claim)),
                () = self.tasks.reap() => Ok(()),
                () = self.questions.reap() => Ok(()),
                () = sleep_until(due) => self.handle_silence(),
                () = signal.draining() => {
                    // What waits may go first.
                    match self.carry_all().await {
                        Ok(()) => {
                            // Whatever comes of it, there is no more time.
                            let _ = timeout(GOODBYE, self.hear_acknowledged(news)).await;
                            Err(Condition::SystemShutdown.into())
                        }
                        Err(end) => Err(end),
                    }
                }
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// When the silence has lasted too long.
    fn due(&self) -> Instant {
        let idle = match &self.reception {
            Some(reception) if !reception.is_proved() => self.born + self.shared.limits.login(),
            // Who opened the stream closes it first.
            Some(_) => self.heard + self.shared.config.idle() * 2,
            None => self.heard + self.shared.config.idle(),
        };
        self.custody.due().map_or(idle, |due| idle.min(due.into()))
    }

    fn handle_silence(&self) -> Result<(), End> {
        if self.custody.due().is_some_and(|due| Instant::from(due) <= Instant::now()) {
            debug!("the other server acknowledges nothing");
            return Err(End::Gone);
        }
        let is_unproved = self.reception.as_ref().is_some_and(|reception| !reception.is_proved());
        Err(if is_unproved { Condition::ConnectionTimeout.into() } else { End::Quiet })
    }

    /// Handles all that was read.
    async fn handle_input(&mut self) -> Result<(), End> {
        self.heard = Instant::now();
        while let Some(wire) = self.wire.as_mut() {
            let Some(event) = wire.scanner.next_event()? else { break };
            self.handle_event(event).await?;
        }
        if let Some(wire) = &mut self.wire {
            wire.scanner.release();
        }
        Ok(())
    }

    async fn handle_event(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Header(header) => {
                let Some(reception) = &mut self.reception else { return Err(Condition::BadFormat.into()) };
                let mut out = Vec::new();
                let judged = reception.handle_header(&header, self.chance.text(), &mut out);
                self.has_header = true;
                self.write(&out).await?;
                judged.map_err(End::from)
            }
            Event::End => Err(End::Quiet),
            Event::Stanza(stanza) if stanza.is("error", print::STREAMS) => {
                debug!("the other server ends the stream with an error");
                Err(End::Quiet)
            }
            Event::Stanza(stanza) if &*stanza.namespace() == SM => self.handle_management(&stanza).await,
            Event::Stanza(stanza) if stanza.kind() == Kind::Other => match &mut self.reception {
                Some(reception) => {
                    let steps = reception.handle_element(&stanza)?;
                    self.act(steps).await
                }
                None => Err(Condition::UnsupportedStanzaType.into()),
            },
            Event::Stanza(stanza) => self.handle_stanza(&stanza).await,
        }
    }

    /// The other server says something about what has arrived (XEP-0198).
    async fn handle_management(&mut self, element: &Stanza) -> Result<(), End> {
        if !self.is_believed() {
            return self.write(&print_failed("unexpected-request")).await;
        }
        let was_on = self.custody.is_on();
        if element.name() == "resume" && self.reception.is_some() && !was_on {
            return self.resume(element).await;
        }
        let berth = if was_on { None } else { self.offer_berth(element) };
        let seconds = self.shared.config.resume_seconds;
        let resumption = berth.as_ref().map(|berth| (berth.id(), seconds));
        let heard = self.custody.handle_element(element, resumption, std::time::Instant::now())?;
        if !was_on && self.custody.is_on() {
            self.berth = berth;
            self.link.iter().chain(&self.entered).for_each(|link| link.note_acknowledges(true));
        }
        if let Some(link) = &self.link {
            link.give_back(heard.left);
        }
        self.note_room();
        self.write(&heard.answer).await
    }

    /// What the other server may go on with the stream by that it opened, if it wants to be able to.
    fn offer_berth(&self, element: &Stanza) -> Option<Berth> {
        let wants = element.attribute("resume").and_then(|resume| parse_boolean(&resume)) == Some(true);
        let place = self.entered.first().filter(|_| wants && self.shared.config.resume_seconds > 0)?;
        (element.name() == "enable").then(|| self.shared.berths.open(place.pair.clone()))
    }

    async fn handle_stanza(&mut self, stanza: &Stanza) -> Result<(), End> {
        let (from, to) = self.judge(stanza)?;
        let pair = Pair::of(&to.address, &from.address);
        if let Some(link) = pair.and_then(|pair| self.link_of(&pair)) {
            link.wait_for_turn(self.shared.config.stanzas, &self.shared.accounts).await;
        }
        let ticket = self.custody.note_received();
        match (receive::handle(&self.shared, stanza, from, to), ticket) {
            (Received::Done, None) => {}
            (Received::Done, Some(ticket)) => self.handle_news(News::Settled(ticket)).await?,
            (Received::Later(fate), None) => self.tasks.spawn(fate),
            (Received::Later(fate), Some(ticket)) => {
                let news = self.news.clone();
                self.tasks.spawn(async move {
                    fate.await;
                    // Nobody listens where the stream is over.
                    let _ = news.send(News::Settled(ticket)).await;
                });
            }
        }
        Ok(())
    }

    /// The link of a pair that was proved here: the table may have let go of it.
    fn link_of(&self, pair: &Pair) -> Option<Arc<Link>> {
        let own = self.entered.iter().chain(&self.link).find(|link| link.pair == *pair);
        own.cloned().or_else(|| self.shared.links.link(pair))
    }

    async fn handle_news(&mut self, news: News) -> Result<(), End> {
        match news {
            News::Answered(pair, answer) => {
                let steps = self.reception.as_mut().map(|it| it.handle_answer(pair, answer));
                self.act(steps.unwrap_or_default()).await
            }
            News::Settled(ticket) => match self.custody.note_settled(ticket) {
                Some(acknowledgement) => self.write(&acknowledgement).await,
                None => Ok(()),
            },
        }
    }

    /// Whether the other server has proved at all who it is.
    fn is_believed(&self) -> bool {
        self.reception.as_ref().is_none_or(|reception| reception.is_proved())
    }

    /// Goes on writing where there is room again.
    fn note_room(&self) {
        if let Some(link) = &self.link {
            link.wake.notify_one();
        }
    }

    fn judge(&self, stanza: &Stanza) -> Result<(Party, Party), StreamError> {
        match &self.reception {
            Some(reception) => reception.judge(stanza),
            None => reception::judge(&self.proved, stanza),
        }
    }

    /// Does what is to be done about who is at the other end.
    async fn act(&mut self, steps: Vec<Step>) -> Result<(), End> {
        for step in steps {
            match step {
                Step::Send(bytes) => self.write(&bytes).await?,
                Step::StartTls => self.secure().await?,
                Step::Restart => {
                    let limits = self.shared.limits_of_peers();
                    if let Some(wire) = &mut self.wire {
                        wire.scanner.restart(limits);
                    }
                }
                Step::Ask { pair, stream_id, key } => {
                    let (shared, news) = (Arc::clone(&self.shared), self.news.clone());
                    self.questions.spawn(async move {
                        let answer = shared.ask(&pair, stream_id, key).await;
                        let _ = news.send(News::Answered(pair, answer)).await;
                    });
                }
                Step::Proved(pair) => self.welcome(&pair)?,
                Step::Close => return Err(End::Quiet),
            }
        }
        Ok(())
    }

    async fn secure(&mut self) -> Result<(), End> {
        let Some(mut plain) = self.wire.take() else { return Err(End::Gone) };
        plain.scanner.discard();
        let stream = plain.stream.upgrade(&self.shared.acceptor).await.map_err(|error| {
            debug!(%error, "handshake");
            End::Gone
        })?;
        let proof: Proof = stream.proof(&self.shared.trust);
        if let Some(reception) = &mut self.reception {
            reception.handle_secured(proof);
        }
        let scanner = Scanner::between_servers(self.shared.limits_before_proof());
        self.wire = Some(Wire::new(stream, scanner, &self.shared.limits, self.shared.config.patience()));
        Ok(())
    }

    /// The other server may speak for a pair from now on.
    fn welcome(&mut self, pair: &Pair) -> Result<(), End> {
        info!(%pair, "another server has proved its domain");
        let link = self.shared.links.link(pair).filter(|link| link.enter(self.shared.config.streams));
        let Some(link) = link else {
            return Err(StreamError::with_text(Condition::ResourceConstraint, "too many streams").into());
        };
        self.entered.push(Arc::clone(&link));
        let limits = self.shared.limits_of_peers();
        if let Some(wire) = &mut self.wire {
            wire.scanner.set_limits(limits);
        }
        // XEP-0288 §2.4: the first pair that was proved is the one that goes both ways.
        if link.note_found() {
            self.shared.note_back(pair);
        }
        let goes_back = self.reception.as_ref().is_some_and(|it| it.is_bidirectional) && self.link.is_none();
        if goes_back && link.begin() {
            self.link = Some(link);
        }
        Ok(())
    }

    /// Writes what waits in the link, as much as a buffer holds.
    async fn carry(&mut self) -> Result<(), End> {
        let Some(link) = &self.link else { return Ok(()) };
        let items = link.take(WRITE_BYTES);
        if items.is_empty() {
            return Ok(());
        }
        // There may be more.
        link.wake.notify_one();
        self.heard = Instant::now();
        let mut bytes = items.iter().map(|item| item.stanza.as_slice()).collect::<Vec<_>>().concat();
        let (request, items) = self.custody.keep(items, std::time::Instant::now());
        bytes.extend_from_slice(request);
        match self.write(&bytes).await {
            Ok(()) => {
                items.into_iter().for_each(Item::settle);
                Ok(())
            }
            Err(end) => {
                let reject = Reject::with_text(Reason::RemoteTimeout, "the connection broke");
                items.into_iter().for_each(|item| item.refuse(&reject));
                Err(end)
            }
        }
    }

    async fn carry_all(&mut self) -> Result<(), End> {
        while self.custody.has_room() && self.link.as_ref().is_some_and(|link| link.has_waiting()) {
            self.carry().await?;
        }
        Ok(())
    }

    /// Listens until all that was written is acknowledged.
    async fn hear_acknowledged(&mut self, news: &mut mpsc::Receiver<News>) -> Result<(), End> {
        while !self.custody.is_empty() {
            let Some(wire) = self.wire.as_mut() else { return Err(End::Gone) };
            tokio::select! {
                read = wire.read() => match read {
                    Ok(0) | Err(_) => return Err(End::Gone),
                    Ok(_) => self.handle_input().await?,
                },
                Some(news) = news.recv() => self.handle_news(news).await?,
                () = self.tasks.reap() => {}
            }
        }
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        if bytes.is_empty() {
            return Ok(());
        }
        let Some(wire) = &mut self.wire else { return Err(End::Gone) };
        wire.write(bytes).await.map_err(|_| End::Gone)
    }
}

/// Waits until the link has something; never ends where there is none.
async fn rung(link: Option<&Link>) {
    match link {
        Some(link) => link.wake.notified().await,
        None => std::future::pending().await,
    }
}

/// Waits until the other server goes on with the stream elsewhere; never ends where it cannot.
async fn claimed(berth: Option<&mut Berth>) -> Claim {
    match berth {
        Some(berth) => berth.claimed().await,
        None => std::future::pending().await,
    }
}

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 64 * 1024;
/// Stanzas whose fate is not known yet, before more is read.
const TASKS: usize = 5000;
/// What the tasks may tell before they wait.
const NEWS: usize = 16;
/// How long the last acknowledgements are waited for.
const GOODBYE: Duration = Duration::from_secs(3);
