//! Where this server is reached, as it stands in Contact and Record-Route.

use super::{message::Uri, transaction::Layer, transport::Flow};

/// The URI by which the peer of a flow reaches this server again.
pub(in crate::sip) fn own_uri(layer: &Layer, flow: &Flow) -> Uri {
    let port = Some(flow.local.port()).filter(|port| *port != 0);
    let uri = Uri::sip(None, &layer.transport().config().host, port);
    uri.with_param("transport", Some(flow.protocol.uri_param()))
}
