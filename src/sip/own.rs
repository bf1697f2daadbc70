//! Where this server is reached, as it stands in Contact and Record-Route.

use std::net::IpAddr;

use super::{
    message::{Host, Uri},
    transaction::Layer,
    transport::Flow,
};

/// The URI by which the peer of a flow reaches this server again. A peer on this machine is given the
/// address: COMPAT(baresip 1.0): its resolver does not know what `localhost` means.
pub(in crate::sip) fn own_uri(layer: &Layer, flow: &Flow) -> Uri {
    let port = Some(flow.local.port()).filter(|port| *port != 0);
    let host = match flow.local.ip().to_canonical() {
        IpAddr::V4(address) if address.is_loopback() => Host::V4(address),
        IpAddr::V6(address) if address.is_loopback() => Host::V6(address),
        _ => layer.transport().config().host.clone(),
    };
    Uri::sip(None, &host, port).with_param("transport", Some(flow.protocol.uri_param()))
}
