//! Where requests for a registered phone go: its Contact, the proxies on the way (RFC 3327), and the flow
//! that it registered by (RFC 5626 §7).

use std::sync::Arc;

use compact_str::CompactString;

use super::{
    message::{NameAddr, Uri},
    transport::{Destination, Flow},
};

/// One way to a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct Target {
    /// What it registered: the request URI of requests for it.
    pub(in crate::sip) uri: Uri,
    /// By which it registered.
    pub(in crate::sip) flow: Flow,
    /// Where requests for it go.
    pub(in crate::sip) destination: Destination,
    /// Values of `Route` that requests for it need, the next hop first.
    pub(in crate::sip) routes: Option<Routes>,
    /// No proxy stands between the phone and us, so the flow is the phone's own.
    pub(in crate::sip) is_direct: bool,
}

/// The values of a `Path`.
pub(in crate::sip) type Routes = Arc<[CompactString]>;

impl Target {
    /// Requests go back the way the REGISTER came (RFC 5626 §5.3), except to a peer that names another
    /// place on the same host: a UDP phone that is not behind a NAT, whose Contact means what it says, or a
    /// proxy, whose connections come and go. No third host is ever named.
    pub(super) fn new(uri: &Uri, flow: Flow, routes: Option<Routes>, is_direct: bool) -> Self {
        let proxy = routes.as_ref().and_then(|routes| NameAddr::parse(routes.first()?).ok());
        let named = Destination::from_uri(proxy.as_ref().map_or(uri, |proxy| &proxy.uri));
        let destination = match named {
            Some(Destination::Address { protocol, peer, name })
                if peer.ip().to_canonical() == flow.peer.ip().to_canonical()
                    && (!is_direct || is_other_port(protocol, peer.port(), &flow)) =>
            {
                Destination::Address { protocol, peer, name }
            }
            _ => Destination::Flow(flow),
        };
        Self { uri: uri.clone(), flow, destination, routes, is_direct }
    }

    /// Whether it ends with the connection of its flow.
    pub(super) fn is_bound(&self) -> bool {
        self.flow.is_reliable() && self.destination == Destination::Flow(self.flow)
    }
}

fn is_other_port(protocol: super::transport::Protocol, port: u16, flow: &Flow) -> bool {
    !flow.is_reliable() && protocol == flow.protocol && port != flow.peer.port()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::transport::Protocol;

    #[test]
    fn requests_go_back_the_way_they_came_unless_the_same_host_names_another_place() {
        let udp = Flow::for_test(Protocol::Udp, ([192, 0, 2, 1], 5062).into(), 1);
        let tcp = Flow::for_test(Protocol::Tcp, ([192, 0, 2, 1], 40_000).into(), 1);
        for (contact, path, flow, is_direct, expect) in [
            ("sip:a@192.0.2.1:5062", None, udp, true, None),
            ("sip:a@192.0.2.1:5080", None, udp, true, Some("192.0.2.1:5080")),
            ("sip:a@192.0.2.9:5080", None, udp, true, None),
            ("sip:a@10.0.0.1:5080", None, udp, true, None),
            ("sip:a@phone.invalid", None, udp, true, None),
            ("sip:a@192.0.2.1:5080;transport=tcp", None, udp, true, None),
            ("sip:a@192.0.2.1:5080;transport=tcp", None, tcp, true, None),
            (
                "sip:a@10.0.0.1",
                Some("<sip:t@192.0.2.1:5060;transport=tcp;lr>"),
                tcp,
                false,
                Some("192.0.2.1:5060"),
            ),
            ("sip:a@10.0.0.1", Some("<sip:t@192.0.2.7:5060;transport=tcp;lr>"), tcp, false, None),
            ("sip:a@10.0.0.1", Some("<sip:edge.example.org;lr;ob>"), tcp, false, None),
            ("sip:a@10.0.0.1", Some("<sip:192.0.2.1:5060;lr>"), udp, false, Some("192.0.2.1:5060")),
        ] {
            let uri = Uri::parse(contact).unwrap();
            let routes = path.map(|path| Routes::from(vec![CompactString::from(path)]));
            let target = Target::new(&uri, flow, routes, is_direct);
            let named = match &target.destination {
                Destination::Address { peer, .. } => Some(peer.to_string()),
                Destination::Flow(found) => {
                    assert_eq!(*found, flow);
                    None
                }
            };
            assert_eq!(named.as_deref(), expect, "{contact} {path:?}");
            assert_eq!(target.is_bound(), flow.is_reliable() && expect.is_none());
        }
    }
}
