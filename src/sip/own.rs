//! Where this server is reached, as it stands in Contact and Record-Route.

use std::net::IpAddr;

use compact_str::{CompactString, format_compact};

use super::{
    message::{Host, Uri},
    transaction::Layer,
    transport::Flow,
};

/// The URI by which the peer of a flow reaches this server again.
pub(in crate::sip) fn own_uri(layer: &Layer, flow: &Flow) -> Uri {
    let (host, port) = own_place(layer, flow);
    Uri::sip(None, &host, port).with_param("transport", Some(flow.protocol.uri_param()))
}

/// As a `Record-Route` value with this user, by which the peer of a flow reaches this server again. The
/// user needs no escapes.
pub(in crate::sip) fn own_route(layer: &Layer, flow: &Flow, user: &str) -> CompactString {
    let (host, port) = own_place(layer, flow);
    let transport = flow.protocol.uri_param();
    match port {
        Some(port) => format_compact!("<sip:{user}@{host}:{port};transport={transport};lr>"),
        None => format_compact!("<sip:{user}@{host};transport={transport};lr>"),
    }
}

/// A peer on this machine is given the address: COMPAT(baresip 1.0): its resolver does not know what
/// `localhost` means.
fn own_place(layer: &Layer, flow: &Flow) -> (Host, Option<u16>) {
    let port = Some(flow.local.port()).filter(|port| *port != 0);
    let host = match flow.local.ip().to_canonical() {
        IpAddr::V4(address) if address.is_loopback() => Host::V4(address),
        IpAddr::V6(address) if address.is_loopback() => Host::V6(address),
        _ => layer.transport().config().host.clone(),
    };
    (host, port)
}
