//! Transaction users for tests, and servers on free ports.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    net::{Acceptor, Gate, Limits, Listener, Shutdown, Tasks, Tls, TlsConfig, bind_udp},
    sip::{
        message::{Builder, HeaderName, Host, Message, Method, Uri},
        transaction::{
            ClientEvent, ClientTransaction, Config, IncomingRequest, Layer, ServerTransaction, Timers,
            TransactionUser,
        },
        transport::{self, Destination, Flow, Protocol},
    },
};

/// What the transaction user was told.
#[derive(Debug)]
pub(super) enum Told {
    Request(IncomingRequest),
    Ack(Message),
    Cancel(ServerTransaction),
    Closed(Flow),
}

/// Tells the test everything.
struct Teller(mpsc::UnboundedSender<Told>);

impl TransactionUser for Teller {
    fn handle_request(&self, request: IncomingRequest) {
        let _ = self.0.send(Told::Request(request));
    }

    fn handle_ack(&self, ack: Message, _flow: Flow) {
        let _ = self.0.send(Told::Ack(ack));
    }

    fn handle_cancel(&self, transaction: &ServerTransaction, _cancel: &Message) {
        let _ = self.0.send(Told::Cancel(transaction.clone()));
    }

    fn handle_flow_closed(&self, flow: Flow) {
        let _ = self.0.send(Told::Closed(flow));
    }
}

/// A layer on free ports of the loopback.
pub(super) struct Peer {
    pub(super) layer: Arc<Layer>,
    pub(super) udp: SocketAddr,
    pub(super) tcp: SocketAddr,
    told: tokio::sync::Mutex<mpsc::UnboundedReceiver<Told>>,
    shutdown: Shutdown,
    tasks: Tasks,
}

impl Peer {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Its listener is for TLS, by a certificate of its own in the folder.
    pub(super) fn secure(folder: &Path) -> Self {
        let tls = Tls::open(&TlsConfig::default(), folder, &[]).unwrap();
        Self::build(|_| {}, Some(tls.acceptor(&[], PATIENCE)))
    }

    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::build(change, None)
    }

    fn build(change: impl FnOnce(&mut Config), acceptor: Option<Acceptor>) -> Self {
        let mut config = Config::new(transport::Config::new(Host::parse("127.0.0.1").unwrap()));
        config.timers =
            Timers { t1: Duration::from_millis(20), t4: Duration::from_millis(100), ..Timers::default() };
        change(&mut config);
        let (shutdown, signal) = Shutdown::new();
        let layer = Layer::new(config, signal.clone());
        let (sender, told) = mpsc::unbounded_channel();
        layer.start(Arc::new(Teller(sender)));
        let mut tasks = Tasks::new();
        tasks.spawn(Arc::clone(&layer).run());
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = bind_udp("sip", loopback).unwrap();
        let udp = socket.local_addr().unwrap();
        let transport = Arc::clone(layer.transport());
        tasks.spawn(transport.serve_udp(socket).unwrap());
        let mut listener = Listener::bind("sip", loopback, &Gate::new(&Limits::default())).unwrap();
        if let Some(acceptor) = acceptor {
            listener = listener.with_direct_tls(acceptor);
        }
        let tcp = listener.address();
        let transport = Arc::clone(layer.transport());
        tasks.spawn(listener.serve(signal, move |stream| Arc::clone(&transport).serve(stream)));
        Self { layer, udp, tcp, told: tokio::sync::Mutex::new(told), shutdown, tasks }
    }

    pub(super) fn stop(&self) {
        self.shutdown.stop();
    }

    /// Waits until all tasks have ended.
    pub(super) async fn finish(self) {
        let signal = self.shutdown.signal();
        self.tasks.finish(&signal).await;
    }

    pub(super) async fn told(&self) -> Told {
        let mut told = self.told.lock().await;
        tokio::time::timeout(PATIENCE, told.recv()).await.expect("something is told in time").unwrap()
    }

    pub(super) async fn request(&self) -> IncomingRequest {
        match self.told().await {
            Told::Request(request) => request,
            other => panic!("a request, not {other:?}"),
        }
    }

    /// Sends a request and gives where its events come out.
    pub(super) fn send(&self, request: &Message, destination: &Destination) -> (ClientTransaction, Events) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let on_event = move |event| {
            let _ = sender.send(event);
        };
        let transaction = self.layer.send_request(request, destination, on_event).expect("it can be sent");
        (transaction, Events(receiver))
    }
}

/// The events of a client transaction.
pub(super) struct Events(mpsc::UnboundedReceiver<ClientEvent>);

impl Events {
    pub(super) async fn next(&mut self) -> ClientEvent {
        tokio::time::timeout(PATIENCE, self.0.recv()).await.expect("an event in time").expect("an event")
    }

    pub(super) async fn status(&mut self) -> u16 {
        match self.next().await {
            ClientEvent::Provisional(response) | ClientEvent::Final(response) => response.status().unwrap(),
            ClientEvent::Failed(failure) => panic!("a response, not {failure:?}"),
        }
    }
}

pub(super) fn to(protocol: Protocol, peer: SocketAddr) -> Destination {
    Destination::Address { protocol, peer, name: None }
}

pub(super) fn request(method: &Method) -> Message {
    static NEXT: Mutex<u32> = Mutex::new(0);
    let mut next = NEXT.lock().unwrap();
    *next += 1;
    Builder::request(method, &Uri::parse("sip:bob@example.org").unwrap())
        .header(HeaderName::MaxForwards, 70)
        .header(HeaderName::From, "<sip:alice@example.org>;tag=a")
        .header(HeaderName::To, "<sip:bob@example.org>")
        .header(HeaderName::CallId, format!("call-{next}"))
        .header(HeaderName::CSeq, format!("1 {method}"))
        .finish()
}

pub(super) fn answer(request: &IncomingRequest, status: u16) {
    request.transaction.respond(Builder::response_to(&request.message, status, "b").finish());
}

/// Longer than anything here takes, on a loaded machine too.
const PATIENCE: Duration = Duration::from_secs(10);
