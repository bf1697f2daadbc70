//! Makes the calls: a few at a time, each with its tries.

use std::{net::SocketAddr, sync::Arc};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, lookup_host},
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    Config,
    guard::is_public,
    request::{Place, print_body, sign},
};
use crate::{
    net::{Connector, ShutdownSignal, Stream, Tasks},
    signal::HookCall,
};

/// Calls what is in the queue.
pub struct Caller {
    config: Config,
    /// `None` where nothing can be trusted: `https://` is not called then.
    connector: Option<Connector>,
    /// Calls at a time.
    places: Semaphore,
    /// Calls that were begun and pause, or wait for a place.
    begun: Arc<Semaphore>,
}

/// Why a try came to nothing.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("the address makes no sense")]
    Address,
    #[error("the address is of this machine or a private network")]
    Private,
    #[error("no certificates are trusted, so nothing is called by https")]
    NoTrust,
    #[error("it took too long")]
    Timeout,
    #[error("it cannot be reached: {0}")]
    Unreachable(std::io::Error),
    #[error("no secure connection: {0}")]
    Tls(crate::net::HandshakeError),
    #[error("no answer: {0}")]
    Exchange(hyper::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
}

impl CallError {
    /// Whether another try may go better (RFC 9110 §15.5 and §15.6).
    fn is_passing(&self) -> bool {
        match self {
            Self::Timeout | Self::Unreachable(_) | Self::Tls(_) | Self::Exchange(_) => true,
            Self::Status(status) => status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429),
            Self::Address | Self::Private | Self::NoTrust => false,
        }
    }
}

impl Caller {
    /// One who calls as the operator wants it.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let connector = Connector::trusting(&config.trusted, config.patience());
        let connector = connector.inspect_err(|fault| {
            info!(file = %config.trusted.display(), %fault, "no webhooks by https");
        });
        let places = Semaphore::new(config.at_once);
        let begun = Arc::new(Semaphore::new(BEGUN));
        Self { config: config.clone(), connector: connector.ok(), places, begun }
    }

    /// Calls what comes out of the queue until the server drains, and tells `end` the number of each call that was
    /// made or given up; what is under way then is cut off, and not ended.
    pub async fn run(
        self,
        mut calls: mpsc::Receiver<(i64, HookCall)>,
        end: impl Fn(i64) + Clone + Send + 'static,
        signal: ShutdownSignal,
    ) {
        let this = Arc::new(self);
        let mut tasks = Tasks::new();
        loop {
            let Ok(place) = Arc::clone(&this.begun).acquire_owned().await else { break };
            let call = tokio::select! {
                call = calls.recv() => call,
                () = signal.draining() => None,
            };
            let Some((id, call)) = call else { break };
            let (this, end, draining) = (Arc::clone(&this), end.clone(), signal.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = this.call(&call) => end(id),
                    () = draining.draining() => {}
                }
                drop(place);
            });
        }
        tasks.finish(&signal).await;
    }

    /// Tries until it succeeds or there is no sense in it.
    async fn call(&self, call: &HookCall) {
        let mut tries = 1;
        loop {
            let fault = match self.try_in_turn(call).await {
                Ok(()) => return debug!(account = %call.account, rule = %call.rule, tries, "webhook called"),
                Err(fault) => fault,
            };
            if tries >= self.config.tries || !fault.is_passing() {
                return warn!(account = %call.account, rule = %call.rule, tries, %fault, "webhook given up");
            }
            sleep(self.config.pause_after(tries)).await;
            tries += 1;
        }
    }

    async fn try_in_turn(&self, call: &HookCall) -> Result<(), CallError> {
        let _place = self.places.acquire().await;
        timeout(self.config.patience(), self.try_once(call)).await.unwrap_or(Err(CallError::Timeout))
    }

    async fn try_once(&self, call: &HookCall) -> Result<(), CallError> {
        let place = Place::parse(&call.hook.url).ok_or(CallError::Address)?;
        let stream = self.connect(&place).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(CallError::Exchange)?;
        let exchange = async {
            let response = sender.send_request(request(&place, call)?).await.map_err(CallError::Exchange)?;
            let status = response.status();
            // Of no interest, but some servers are put off by one who does not listen.
            let _ = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
            if status.is_success() { Ok(()) } else { Err(CallError::Status(status)) }
        };
        tokio::select! {
            outcome = exchange => outcome,
            // The connection's own errors reach whoever waits for the answer; he goes first.
            Err(fault) = connection => Err(CallError::Exchange(fault)),
        }
    }

    /// Connects to an address that was checked, and to no other.
    async fn connect(&self, place: &Place) -> Result<Stream, CallError> {
        let found = lookup_host((place.host.as_str(), place.port)).await.map_err(CallError::Unreachable)?;
        let found: Vec<SocketAddr> = found.take(MOST_ADDRESSES).collect();
        if !self.config.allow_private && !found.iter().all(|address| is_public(address.ip())) {
            return Err(CallError::Private);
        }
        let tcp = TcpStream::connect(found.as_slice()).await.map_err(CallError::Unreachable)?;
        let stream = Stream::from_tcp(tcp).map_err(CallError::Unreachable)?;
        match &self.connector {
            _ if !place.is_secure => Ok(stream),
            Some(connector) => stream.secure(connector, &place.host).await.map_err(CallError::Tls),
            None => Err(CallError::NoTrust),
        }
    }
}

fn request(place: &Place, call: &HookCall) -> Result<Request<Full<Bytes>>, CallError> {
    let body = print_body(call);
    let mut builder = Request::post(&place.target)
        .header(HOST, &place.authority)
        .header(USER_AGENT, "rollcall")
        .header(CONTENT_TYPE, "application/json");
    if let Some(secret) = &call.hook.secret {
        builder = builder.header(SIGNATURE, sign(secret, &body));
    }
    builder.body(Full::new(body.into())).map_err(|_| CallError::Address)
}

/// The header that the signature stands in.
const SIGNATURE: &str = "x-rollcall-signature";
/// The least that the HTTP parser takes.
const BUFFER_BYTES: usize = 16 << 10;
/// How much of an answer is listened to.
const ANSWER_BYTES: usize = 64 << 10;
/// Calls that may be under way, those included that pause between two tries.
const BEGUN: usize = 1000;
/// How many addresses of a name are looked at.
const MOST_ADDRESSES: usize = 16;
