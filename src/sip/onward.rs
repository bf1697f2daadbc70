//! A request as it goes on: what stays behind, and how it is put on its way to a registered phone.

use super::{
    message::{HeaderName, Message, Splice},
    proxy::Hop,
    target::Target,
};

/// What goes on of every request.
pub(super) fn strip(message: &Message, hops: u8) -> Splice<'_> {
    let splice = message.splice().max_forwards(hops);
    KEPT_BACK.into_iter().fold(splice, Splice::remove)
}

/// A request for a registered phone: its Contact, and the proxies on the way to it (RFC 3327 §5.4).
pub(super) fn to_target(splice: Splice<'_>, target: &Target) -> Hop {
    let routes = target.routes.iter().flat_map(|routes| routes.iter().rev());
    let splice = routes.fold(splice.request_uri(&target.uri), |splice, route| splice.push_route(route));
    Hop { request: splice.finish(), destination: target.destination.clone() }
}

/// What a phone says to this server only. Credentials prove a person to us; whoever is called could ask for
/// them in our name, with our realm and any nonce, and either use the answer against us or guess the
/// password by it. And who somebody is, only a proxy that is trusted may say beside From (RFC 3325 §5;
/// Remote-Party-ID is its forerunner): phones are not.
const KEPT_BACK: [HeaderName; 5] = [
    HeaderName::Authorization,
    HeaderName::ProxyAuthorization,
    HeaderName::PAssertedIdentity,
    HeaderName::PPreferredIdentity,
    HeaderName::RemotePartyId,
];
