//! Listeners and connections: HTTP/1.1 (RFC 9112) on the shared accept loop, and the routes.
//!
//! A connection's task owns all that comes of it: a WebSocket is served there too, after the HTTP
//! part of the connection is over. Routes are a table; what they do stands in the other files.

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Extension, Router,
    body::Body,
    extract::{
        DefaultBodyLimit, Request, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{StatusCode, header, header::HeaderValue},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use hyper::{body::Incoming, server::conn::http1, service::Service, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::time::timeout;
use tracing::debug;

use super::{
    Config, access, account, administration, archive, assets, avatar, blocks, contacts, directory,
    error::{Failure, Outcome},
    extract::account_address,
    identity::{Client, Identity},
    invitation, invitations, login, policy, presence, reports, rules, session,
};
use crate::{
    account::Accounts,
    admin::Admin,
    auth::Authenticator,
    documents::Documents,
    net::{Aftermath, BindError, Gate, Gcra, Limits, Listener, ShutdownSignal, Stream, Tasks, Tls, Visitor},
    signal::{Address, AddressError, Reason, Reject},
};

/// What the room needs of the others.
pub struct Parts {
    pub accounts: Accounts,
    pub authenticator: Authenticator,
    pub admin: Admin,
    pub documents: Documents,
    pub tls: Arc<Tls>,
    pub gate: Gate,
    pub limits: Limits,
    /// How long a browser stays logged in after its last use.
    pub session_lifetime: Duration,
    /// Whether who was invited can make an account in a chat client, too.
    pub takes_guests: bool,
    /// Routes of other rooms on the same listeners; their requests carry a [`Visitor`] and an [`Aftermath`].
    pub guests: Router,
    /// The same, of routes whose requests may take long: they bound their time and their bodies themselves.
    pub long_guests: Router,
}

/// The room, listening.
pub struct Door {
    config: Config,
    parts: Parts,
    http: Vec<Listener>,
    https: Vec<Listener>,
}

impl Door {
    /// Listens on all configured addresses, or on none. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The address that cannot be listened on.
    pub fn open(config: &Config, parts: Parts) -> Result<Self, BindError> {
        let http = Listener::bind_all("http", &config.http, &parts.gate)?;
        let acceptor = parts.tls.acceptor(&["http/1.1"], parts.limits.handshake());
        let https = Listener::bind_all("https", &config.https, &parts.gate)?
            .into_iter()
            .map(|listener| listener.with_direct_tls(acceptor.clone()))
            .collect();
        Ok(Self { config: config.clone(), parts, http, https })
    }

    /// Where plain HTTP is spoken, with the ports that were chosen for port 0.
    #[must_use]
    pub fn http_addresses(&self) -> Vec<SocketAddr> {
        self.http.iter().map(Listener::address).collect()
    }

    /// Where HTTPS is spoken, with the ports that were chosen for port 0.
    #[must_use]
    pub fn https_addresses(&self) -> Vec<SocketAddr> {
        self.https.iter().map(Listener::address).collect()
    }

    /// Serves until the server drains and every connection has ended or was cut off.
    pub async fn serve(self, signal: ShutdownSignal) {
        let Self { config, parts, http, https } = self;
        let Parts {
            accounts,
            authenticator,
            admin,
            documents,
            limits,
            session_lifetime,
            takes_guests,
            guests,
            long_guests,
            ..
        } = parts;
        let shared = Arc::new(Shared {
            config,
            limits,
            accounts,
            authenticator,
            admin,
            documents,
            session_lifetime,
            takes_guests,
            signal: signal.clone(),
        });
        let router = routes(Arc::clone(&shared), guests, long_guests);
        let mut tasks = Tasks::new();
        for listener in http.into_iter().chain(https) {
            let (shared, router) = (Arc::clone(&shared), router.clone());
            let serve = move |stream| serve(stream, Arc::clone(&shared), router.clone());
            tasks.spawn(listener.serve(signal.clone(), serve));
        }
        signal.draining().await;
        tasks.finish(&signal).await;
    }
}

/// What every request may use.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) limits: Limits,
    pub(super) accounts: Accounts,
    pub(super) authenticator: Authenticator,
    pub(super) admin: Admin,
    pub(super) documents: Documents,
    pub(super) session_lifetime: Duration,
    pub(super) takes_guests: bool,
    pub(super) signal: ShutdownSignal,
}

impl Shared {
    pub(super) fn public_url(&self) -> Option<&str> {
        self.config.public_url.as_deref()
    }

    /// Reads the name that somebody logs in with; without a domain it is of our principal one.
    pub(super) fn parse_address(&self, text: &str) -> Result<Address, AddressError> {
        let text = text.trim();
        match (text.contains('@'), self.accounts.domains().first()) {
            (false, Some(domain)) => Address::new(text, domain.domain()),
            _ => Address::parse(text),
        }
    }

    /// Reads the address of an account that is to live here.
    pub(super) fn parse_home_address(&self, text: &str) -> Outcome<Address> {
        let parsed = self.parse_address(text).map_err(|fault| Failure::malformed(&fault.to_string()))?;
        let address = account_address(parsed.as_str())?;
        if self.accounts.serves(address.domain()) {
            return Ok(address);
        }
        let domains: Vec<&str> = self.accounts.domains().iter().map(Address::domain).collect();
        let text = format!("accounts of this server end in @{}", domains.join(" or @"));
        Err(Failure::new(Reason::NotAcceptable, &text))
    }
}

/// Every route.
fn routes(shared: Arc<Shared>, guests: Router, long_guests: Router) -> Router {
    let api = Router::new()
        .route("/api/login", post(login::log_in))
        .route("/api/logout", post(login::log_out))
        .route("/api/setup", get(login::show_setup).post(login::set_up))
        .route("/api/invitation", get(invitation::show).post(invitation::join))
        .route("/api/invitation/accept", post(invitation::accept))
        .route("/api/invitations", get(invitations::list).post(invitations::invite))
        .route("/api/invitations/{id}", delete(invitations::withdraw))
        .route("/api/admin/invitations", get(invitations::list_all).post(invitations::invite_newcomer))
        .route("/api/admin/invitations/{id}", delete(invitations::withdraw_any))
        .route("/api/me", get(account::show_me))
        .route(
            "/api/avatar",
            get(avatar::show_own)
                .put(avatar::set)
                .delete(avatar::remove)
                .layer(DefaultBodyLimit::max(shared.accounts.avatar_bytes())),
        )
        .route("/api/avatar/{address}", get(avatar::show))
        .route("/api/directory", get(directory::search))
        .route("/api/preferences", get(account::show_preferences).put(account::set_preferences))
        .route("/api/password", post(account::change_password))
        .route("/api/devices", get(account::list_devices).post(account::add_device))
        .route("/api/devices/{id}", delete(account::remove_device))
        .route("/api/access", get(access::list))
        .route("/api/access/{id}", delete(access::remove))
        .route("/api/tokens", get(account::list_tokens).post(account::add_token))
        .route("/api/tokens/{id}", delete(account::remove_token))
        .route("/api/roster", get(contacts::show))
        .route("/api/roster/{address}", put(contacts::set).delete(contacts::remove))
        .route("/api/roster/{address}/{verb}", post(contacts::act))
        .route("/api/blocked", get(blocks::show))
        .route("/api/blocked/{address}", put(blocks::add).delete(blocks::remove))
        .route("/api/archive", get(archive::show))
        .route(
            "/api/presence-rules",
            get(presence::show_rules).put(presence::set_rules).delete(presence::remove_rules),
        )
        .route(
            "/api/offline-status",
            get(presence::show_offline_status)
                .put(presence::set_offline_status)
                .delete(presence::remove_offline_status),
        )
        .route("/api/rules", get(rules::show).put(rules::set))
        .route("/api/rules/try", post(rules::try_out))
        .route("/api/admin/rules/server", get(rules::show_server).put(rules::set_server))
        .route("/api/admin/rules/domains/{domain}", get(rules::show_domain).put(rules::set_domain))
        .route("/api/refusals", get(policy::show_refusals).delete(policy::remove_refusals))
        .route("/api/watchers", get(presence::show_watchers))
        .route("/api/ws", get(open_socket))
        .route("/api/admin/accounts", get(administration::list_accounts).post(administration::add_account))
        .route("/api/admin/accounts/{address}", delete(administration::remove_account))
        .route("/api/admin/reports", get(reports::list))
        .route("/api/admin/reports/{id}", delete(reports::remove))
        .route("/api/admin/accounts/{address}/password", post(administration::set_password));
    api.method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED)
        .with_state(Arc::clone(&shared))
        .merge(guests)
        .fallback(assets::serve)
        .layer(DefaultBodyLimit::max(shared.config.body_bytes))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), in_time))
        .merge(long_guests)
        .layer(middleware::from_fn_with_state(shared, around))
}

/// Gives a request its time and no more.
async fn in_time(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let patience = Duration::from_secs(shared.config.request_seconds.into());
    let answer = timeout(patience, next.run(request)).await;
    answer.unwrap_or_else(|_| Failure::from(Reason::Timeout).into_response())
}

/// What holds for every request: its connection's rate, and the headers that keep browsers safe.
async fn around(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let Some(connection) = request.extensions().get::<Connection>().cloned() else {
        return Failure::from(Reason::Internal).into_response();
    };
    let is_api = request.uri().path().starts_with("/api");
    let client =
        Client::of(connection.peer, connection.is_secure, shared.config.behind_proxy, request.headers());
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(connection.aftermath.clone());
    request.extensions_mut().insert(Visitor { address: client.address, is_secure: client.is_secure });
    let mut response = match connection.take_turn(&shared.limits) {
        Err(failure) => failure.into_response(),
        Ok(()) => next.run(request).await,
    };
    if is_api && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = refuse_method(response);
    }
    assets::secure(response.headers_mut(), client);
    if is_api {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Keeps the Allow header and gives the error its shape.
fn refuse_method(response: Response) -> Response {
    let mut refused = Failure::new(Reason::Unsupported, "this method is not for this path").into_response();
    *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    if let Some(allow) = response.headers().get(header::ALLOW) {
        refused.headers_mut().insert(header::ALLOW, allow.clone());
    }
    refused
}

/// `GET /api/ws`
async fn open_socket(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Connection>,
    identity: Identity,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Outcome<Response> {
    let upgrade = upgrade.map_err(|_| Failure::malformed("this address is for WebSockets"))?;
    let most = shared.config.frame_bytes;
    Ok(upgrade
        .max_message_size(most)
        .max_frame_size(most)
        .read_buffer_size(SOCKET_BUFFER)
        .write_buffer_size(SOCKET_BUFFER)
        .max_write_buffer_size(shared.limits.outgoing_bytes.max(2 * SOCKET_BUFFER))
        .on_upgrade(async move |socket| {
            connection.aftermath.leave(session::converse(socket, shared, identity));
        }))
}

/// What a request knows of the connection it came over.
#[derive(Clone)]
struct Connection {
    peer: IpAddr,
    is_secure: bool,
    pace: Arc<Mutex<Gcra>>,
    aftermath: Aftermath,
}

impl Connection {
    /// Counts a request against the connection's rate.
    fn take_turn(&self, limits: &Limits) -> Result<(), Failure> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.take(limits.messages, 1, Instant::now()).map_err(|wait| {
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            Failure(Reject { retry_after: Some(seconds), ..Reason::Overloaded.into() })
        })
    }
}

/// Serves one connection: requests, and the WebSocket that one of them may become.
fn serve(stream: Stream, shared: Arc<Shared>, router: Router) -> impl Future<Output = ()> + Send {
    let (aftermath, aftermaths) = Aftermath::channel();
    let connection = Connection {
        peer: stream.peer().ip(),
        is_secure: stream.is_secure(),
        pace: Arc::default(),
        aftermath,
    };
    // Boxed: the state of HTTP is large, and gone once a WebSocket has taken its place.
    let requests = Box::pin(serve_requests(stream, shared, connection, router));
    async move {
        requests.await;
        aftermaths.run().await;
    }
}

async fn serve_requests(stream: Stream, shared: Arc<Shared>, connection: Connection, router: Router) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        router.call(request.map(Body::new))
    });
    let patience = Duration::from_secs(shared.config.request_seconds.into());
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_headers(shared.limits.headers)
        .max_buf_size(shared.limits.unauthenticated_bytes.max(LEAST_BUFFER))
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    let outcome = tokio::select! {
        outcome = &mut serving => outcome,
        () = shared.signal.draining() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(fault) = outcome {
        debug!(%fault, "connection");
    }
}

/// Bytes that a WebSocket reads and writes at a time.
const SOCKET_BUFFER: usize = 4096;
/// The least that the HTTP parser asks for.
const LEAST_BUFFER: usize = 8192;
