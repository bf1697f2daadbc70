//! A client and a server machine, a network between them that may lose datagrams, and a clock that
//! jumps from event to event.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use bytes::Bytes;

use crate::sip::{
    message::{Builder, Limits, Message, Method},
    transaction::{
        ClientEvent, Timers,
        client::Client,
        invite_client::InviteClient,
        invite_server::InviteServer,
        machine::{Action, Actions, Timer},
        server::Server,
        table::Machine,
    },
};

use super::harness;

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Client,
    Server,
}

#[derive(Clone, Debug)]
enum Event {
    Arrives(End, Bytes),
    Fires(End, Timer, u64),
    Responds(u16),
}

/// The two machines and all there is between them. Times are milliseconds since the beginning.
pub(super) struct Pair {
    pub(super) now: u64,
    pub(super) client: Option<Machine>,
    pub(super) server: Option<Machine>,
    /// What was sent, by whom and when, whether it arrived or not: the first word of it.
    pub(super) sent: Vec<(u64, End, String)>,
    /// What the client's user was told, and when.
    pub(super) told: Vec<(u64, String)>,
    /// How many requests the server's user was given, and how many ACKs.
    pub(super) requests: usize,
    pub(super) acks: usize,
    pub(super) cancels: usize,
    is_reliable: bool,
    /// What the server's user responds, so many milliseconds after the request.
    script: Vec<(u64, u16)>,
    is_lost: Box<dyn FnMut(usize) -> bool>,
    request: Option<Message>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: VecDeque<(u64, Event)>,
    sequence: u64,
    /// The newest arming of each timer.
    armed: Vec<(End, Timer, u64)>,
}

impl Pair {
    /// Begins a transaction; `is_lost` is asked for each datagram by its number.
    pub(super) fn begin(
        method: &Method,
        is_reliable: bool,
        script: &[(u64, u16)],
        is_lost: impl FnMut(usize) -> bool + 'static,
    ) -> Self {
        let via = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKpair";
        let request = harness::request(method)
            .splice()
            .push_via(&crate::sip::message::Via::parse(via).unwrap())
            .finish();
        let (client, actions) = if *method == Method::Invite {
            let (machine, actions) = InviteClient::new(request, is_reliable, Timers::default());
            (Machine::InviteClient(Box::new(machine)), actions)
        } else {
            let (machine, actions) = Client::new(request.bytes().clone(), is_reliable, Timers::default());
            (Machine::Client(machine), actions)
        };
        let mut pair = Self {
            now: 0,
            client: Some(client),
            server: None,
            sent: Vec::new(),
            told: Vec::new(),
            requests: 0,
            acks: 0,
            cancels: 0,
            is_reliable,
            script: script.to_vec(),
            is_lost: Box::new(is_lost),
            request: None,
            queue: BinaryHeap::new(),
            events: VecDeque::new(),
            sequence: 0,
            armed: Vec::new(),
        };
        pair.perform(End::Client, actions);
        pair
    }

    /// Lets everything happen up to a time.
    pub(super) fn run_until(&mut self, until: u64) {
        while self.queue.peek().is_some_and(|Reverse((at, _))| *at <= until) {
            let Some(Reverse((at, sequence))) = self.queue.pop() else { break };
            let found = self.events.iter().position(|(number, _)| *number == sequence).unwrap();
            let (_, event) = self.events.remove(found).unwrap();
            self.now = at;
            self.handle(event);
        }
        self.now = until;
    }

    /// When one end sent.
    pub(super) fn times(&self, end: End, word: &str) -> Vec<u64> {
        let matching = self.sent.iter().filter(|(_, by, what)| *by == end && what == word);
        matching.map(|(at, ..)| *at).collect()
    }

    pub(super) fn cancel(&mut self) {
        if let Some(Machine::InviteClient(machine)) = &mut self.client {
            let actions = machine.cancel();
            self.perform(End::Client, actions);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrives(End::Server, bytes) => self.arrive_at_server(bytes),
            Event::Arrives(End::Client, bytes) => {
                let response = Message::parse_datagram(bytes, &Limits::default()).unwrap();
                self.drive(End::Client, |machine| machine.handle_response(response));
            }
            Event::Fires(end, timer, sequence) => {
                if self.armed.contains(&(end, timer, sequence)) {
                    self.drive(end, |machine| machine.handle_timer(timer));
                }
            }
            Event::Responds(status) => {
                let request = self.request.clone().unwrap();
                let response = Builder::response_to(&request, status, "b").finish().bytes().clone();
                self.drive(End::Server, |machine| match machine {
                    Machine::InviteServer(machine) => machine.respond(status, response),
                    Machine::Server(machine) => machine.respond(status, response),
                    _ => unreachable!("the server's end"),
                });
            }
        }
    }

    fn arrive_at_server(&mut self, bytes: Bytes) {
        let request = Message::parse_datagram(bytes, &Limits::default()).unwrap();
        let is_ack = request.method() == Some(&Method::Ack);
        if self.request.is_some() {
            self.drive(End::Server, |machine| match machine {
                Machine::InviteServer(machine) if is_ack => machine.handle_ack(),
                Machine::InviteServer(machine) => machine.handle_request(),
                Machine::Server(machine) => machine.handle_request(),
                _ => unreachable!("the server's end"),
            });
            return;
        }
        self.requests += 1;
        self.request = Some(request.clone());
        for (after, status) in self.script.clone() {
            self.push(self.now + after, Event::Responds(status));
        }
        let (machine, actions) = if request.method() == Some(&Method::Invite) {
            let (machine, actions) = InviteServer::new(request, self.is_reliable, Timers::default());
            (Machine::InviteServer(Box::new(machine)), actions)
        } else {
            (Machine::Server(Server::new(self.is_reliable, Timers::default())), Actions::new())
        };
        self.server = Some(machine);
        self.perform(End::Server, actions);
    }

    fn drive(&mut self, end: End, event: impl FnOnce(&mut Machine) -> Actions) {
        let machine = match end {
            End::Client => &mut self.client,
            End::Server => &mut self.server,
        };
        if let Some(machine) = machine {
            let actions = event(machine);
            self.perform(end, actions);
        }
    }

    fn perform(&mut self, end: End, actions: Actions) {
        for action in actions {
            match action {
                Action::Send(bytes) => self.send(end, bytes),
                Action::Arm(timer, after) => {
                    let sequence = self.sequence + 1;
                    self.armed.retain(|(by, armed, _)| (*by, *armed) != (end, timer));
                    self.armed.push((end, timer, sequence));
                    self.push(self.now + millis(after), Event::Fires(end, timer, sequence));
                }
                Action::Tell(event) => self.told.push((self.now, describe(&event))),
                Action::Cancel(_) => self.cancels += 1,
                Action::PassAck => self.acks += 1,
                Action::End if end == End::Client => self.client = None,
                Action::End => self.server = None,
            }
        }
    }

    fn send(&mut self, by: End, bytes: Bytes) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut words = text.split(' ');
        let first = words.next().unwrap_or_default();
        let word = if first == "SIP/2.0" { words.next().unwrap_or_default() } else { first };
        self.sent.push((self.now, by, word.to_owned()));
        if (self.is_lost)(self.sent.len() - 1) {
            return;
        }
        let to = if by == End::Client { End::Server } else { End::Client };
        self.push(self.now + LATENCY, Event::Arrives(to, bytes));
    }

    fn push(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((at, self.sequence)));
        self.events.push_back((self.sequence, event));
    }
}

fn describe(event: &ClientEvent) -> String {
    match event {
        ClientEvent::Provisional(response) | ClientEvent::Final(response) => {
            response.status().unwrap_or_default().to_string()
        }
        ClientEvent::Failed(failure) => format!("{failure:?}"),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// One way, in milliseconds.
pub(super) const LATENCY: u64 = 10;
