//! XMPP over the web listeners: what carries streams inside HTTP, and the routes to it.
//!
//! A stream over the web is the same stream: what carries it translates its framing into the bytes of RFC 6120
//! and back, and login and session know nothing of it. The listeners are another room's; this one gives routes.

pub(super) mod bosh;
mod framing;
mod host_meta;
mod origin;
mod upload;
mod websocket;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, StatusCode, header},
    routing::{any, get, options},
};

pub(super) use origin::is_origin;

use super::door::Shared;
use crate::net::{ShutdownSignal, Visitor};

/// What every request may use.
pub(super) struct Web {
    shared: Arc<Shared>,
    signal: ShutdownSignal,
}

/// The routes. Every request must have a [`Visitor`] and a [`crate::net::Aftermath`] among its extensions.
pub(super) fn router(shared: Arc<Shared>, signal: ShutdownSignal) -> Router {
    let (websocket, bosh) = (shared.config.websocket.clone(), shared.config.bosh.clone());
    let mut router = Router::new()
        .route("/.well-known/host-meta", get(host_meta::show))
        .route("/.well-known/host-meta.json", get(host_meta::show_json));
    if !websocket.is_empty() {
        router = router.route(&websocket, get(websocket::open));
    }
    if !bosh.is_empty() {
        let body = DefaultBodyLimit::max(shared.limits.message_bytes);
        router = router.route(&bosh, options(bosh::allow).post(bosh::handle).layer(body));
    }
    let upload = shared.config.upload.clone();
    if !upload.is_empty() && shared.accounts.file_bytes() > 0 {
        let files = any(upload::serve).layer(DefaultBodyLimit::disable());
        router = router.route(&format!("{upload}/{{name}}/{{title}}"), files);
    }
    router.with_state(Arc::new(Web { shared, signal }))
}

/// Why a request is refused, in words for people.
type Refusal = (StatusCode, &'static str);

impl Web {
    /// Whether this visitor may open a stream from this page: never in the clear over a network, and only from
    /// pages that the operator allows.
    fn admit(&self, visitor: Visitor, headers: &HeaderMap) -> Result<(), Refusal> {
        if !visitor.is_secure && !visitor.address.is_loopback() {
            return Err((StatusCode::FORBIDDEN, "XMPP is spoken over TLS here\n"));
        }
        match headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default()) {
            Some(origin) if !origin::is_allowed(&self.shared.config.web_origins, origin) => {
                Err((StatusCode::FORBIDDEN, "pages of this origin may not use XMPP here\n"))
            }
            _ => Ok(()),
        }
    }
}
