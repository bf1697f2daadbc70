//! XEP-0124 and XEP-0206: XMPP in requests and answers, for who cannot hold a socket.
//!
//! [`body`] reads and writes the wrapper, [`exchange`] has the rules of a session, [`session`] is where requests meet
//! the stream. Here are the way of a request, and the table of sessions.

mod body;
mod exchange;
mod session;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Extension,
    body::{Body as Content, to_bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rustc_hash::FxHashMap;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::Instrument;

use self::{
    body::{Answer, Body},
    exchange::Terms,
    session::{Carried, Session},
};
use super::{Web, origin};
use crate::{
    net::{Place, ShutdownSignal, Stream, Visitor},
    xmpp::{
        chance::Chance,
        door::{Entrance, Shared, serve},
    },
};

/// All sessions. There are no more of them than the gate has places for.
pub(in crate::xmpp) struct Bosh {
    sessions: Mutex<FxHashMap<String, Arc<Session>>>,
    /// Sessions whose task is to be started; when full, a client is told to come back later.
    newcomers: mpsc::Sender<Newcomer>,
}

/// A session without a task.
pub(in crate::xmpp) struct Newcomer {
    id: String,
    session: Arc<Session>,
    visitor: Visitor,
    place: Place,
}

impl Bosh {
    /// No session yet, and where the new ones come out.
    pub(in crate::xmpp) fn new() -> (Self, mpsc::Receiver<Newcomer>) {
        let (newcomers, coming) = mpsc::channel(NEWCOMERS);
        (Self { sessions: Mutex::default(), newcomers }, coming)
    }

    fn sessions(&self) -> MutexGuard<'_, FxHashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newcomer {
    /// The session's life.
    pub(in crate::xmpp) async fn live(self, shared: Arc<Shared>, signal: ShutdownSignal) {
        let Self { id, session, visitor, place } = self;
        let span = tracing::info_span!("connection", name = "bosh", peer = %visitor.address);
        let carrier = Box::new(Carried::new(Arc::clone(&session)));
        let stream = Stream::carried(carrier, visitor.address, visitor.is_secure).with_place(place);
        let conversation = serve(Arc::clone(&shared), Entrance::Web, stream, signal.clone()).instrument(span);
        // A client that is gone ends the stream; an end of the stream is kept for a client that comes for it.
        let keeping = async {
            tokio::select! {
                () = session.keep_time() => {}
                () = signal.draining() => {}
            }
            shared.bosh.sessions().remove(&id);
        };
        tokio::join!(conversation, keeping);
    }
}

/// `OPTIONS`: what a page may do.
pub(super) async fn allow(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    origin::grant(&web.shared.config.web_origins, &headers, METHODS, response.headers_mut());
    response
}

/// `POST`: one request of a session, or the first of a new one.
pub(super) async fn handle(
    State(web): State<Arc<Web>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    content: Content,
) -> Response {
    let mut response = match web.admit(visitor, &headers) {
        Ok(()) => match web.exchange(visitor, content).await {
            Ok(answer) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], answer.print()).into_response(),
            Err(refusal) => refusal.into_response(),
        },
        Err(refusal) => refusal.into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    origin::grant(&web.shared.config.web_origins, &headers, METHODS, response.headers_mut());
    response
}

impl Web {
    async fn exchange(&self, visitor: Visitor, content: Content) -> Result<Answer, super::Refusal> {
        let most = self.shared.limits.message_bytes;
        let text = timeout(SENDING, to_bytes(content, most)).await;
        let text = text.map_err(|_| (StatusCode::REQUEST_TIMEOUT, "the request took too long\n"))?;
        let text = text.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "the request is too large\n"))?;
        let Ok(body) = Body::parse(&text, self.shared.limits_after_login()) else {
            return Ok(Answer::end(Some("bad-request")));
        };
        let (reply, answer) = oneshot::channel();
        match &body.session {
            None => self.begin(visitor, &body, reply).await?,
            Some(id) => {
                let session = self.shared.bosh.sessions().get(id).cloned();
                let Some(session) = session else { return Ok(Answer::end(Some("item-not-found"))) };
                session.handle_request(body, reply);
            }
        }
        Ok(answer.await.unwrap_or_else(|_| Answer::end(Some("internal-server-error"))))
    }

    async fn begin(
        &self,
        visitor: Visitor,
        body: &Body,
        reply: oneshot::Sender<Answer>,
    ) -> Result<(), super::Refusal> {
        const BUSY: super::Refusal = (StatusCode::SERVICE_UNAVAILABLE, "too many sessions, try later\n");
        let gate = &self.shared.gate;
        let place = timeout(SENDING, gate.enter(visitor.address)).await.map_err(|_| BUSY)?;
        let place = place.map_err(|_| BUSY)?;
        let turn = self.shared.bosh.newcomers.try_reserve().map_err(|_| BUSY)?;
        let terms = self.terms(body);
        let id = Chance::default().text();
        let session = Session::new(terms, body, reply, greeting(&id, &terms, body));
        self.shared.bosh.sessions().insert(id.clone(), Arc::clone(&session));
        turn.send(Newcomer { id, session, visitor, place });
        Ok(())
    }

    fn terms(&self, body: &Body) -> Terms {
        let config = &self.shared.config;
        let wait = body.opening.wait.unwrap_or(u32::MAX).min(config.bosh_wait_seconds);
        Terms {
            wait: Duration::from_secs(wait.into()),
            hold: body.opening.hold.unwrap_or(1).min(1) as usize,
            inactivity: Duration::from_secs(config.bosh_inactivity_seconds.into()),
            longest_pause: PAUSE,
            polling: POLLING,
            most_bytes: self.shared.limits.message_bytes,
        }
    }
}

/// What the client is told of its session (XEP-0124 §7.2).
fn greeting(id: &str, terms: &Terms, body: &Body) -> Vec<(&'static str, String)> {
    let mut greeting = vec![
        ("sid", id.to_owned()),
        ("ver", "1.11".to_owned()),
        ("wait", terms.wait.as_secs().to_string()),
        ("hold", terms.hold.to_string()),
        ("requests", terms.requests().to_string()),
        ("inactivity", terms.inactivity.as_secs().to_string()),
        ("polling", terms.polling.as_secs().to_string()),
        ("maxpause", terms.longest_pause.as_secs().to_string()),
        ("xmpp:version", "1.0".to_owned()),
        ("xmpp:restartlogic", "true".to_owned()),
    ];
    greeting.extend(body.opening.to.as_ref().map(|to| ("from", to.clone())));
    greeting
}

const MEDIA_TYPE: &str = "text/xml; charset=utf-8";
const METHODS: &str = "POST, OPTIONS";
/// Sessions that may wait for their task.
const NEWCOMERS: usize = 256;
/// How long a request may take to be sent, and a session to find a place.
const SENDING: Duration = Duration::from_secs(30);
/// The longest pause, as the specification recommends.
const PAUSE: Duration = Duration::from_secs(120);
const POLLING: Duration = Duration::from_secs(5);
