//! Requests within dialogs that are not known here, as after a restart: one that is for the GRUU of a phone
//! still finds its way (RFC 5627 §6.1).

use std::sync::Arc;

use tracing::debug;

use super::{
    answer::Refusal,
    auth::Role,
    door::Door,
    message::{HeaderName, Message},
    onward::{strip, to_target},
    proxy::{Branch, Observer, check_proxy_require, next_hops},
    target::Target,
    transaction::{ClientEvent, IncomingRequest},
    translate,
    transport::Flow,
};

/// Passes on a request for the GRUU of a phone, or refuses it with 481. The sender proves who he is, as for any
/// request.
pub(in crate::sip) fn handle(door: &Arc<Door>, request: IncomingRequest) {
    let this = Arc::clone(door);
    door.run(async move {
        match find_way(&this, &request).await {
            Ok(branch) => {
                let passage = this.proxy.begin(&request);
                let observer: Arc<dyn Observer> = Arc::new(Unobserved);
                this.proxy.send(passage, vec![branch], &observer);
            }
            Err(refusal) => this.refuse(&request, &refusal),
        }
    });
}

async fn find_way(door: &Arc<Door>, request: &IncomingRequest) -> Result<Branch, Refusal> {
    let message = &request.message;
    let hops = next_hops(message)?;
    check_proxy_require(message)?;
    let device = door.find_phone(&message.request_uri()?).ok_or_else(|| Refusal::new(481))?;
    door.authenticate(request, Role::Proxy).await?;
    let own = |target: &Arc<Target>| Some(to_target(strip(message, hops).remove(HeaderName::Route), target));
    let branch: Branch = device.targets().iter().filter_map(own).collect();
    if branch.is_empty() { Err(Refusal::new(480)) } else { Ok(branch) }
}

/// An ACK cannot be challenged: it goes to a GRUU only if it comes by a connection that a phone registered.
pub(super) fn handle_ack(door: &Door, ack: &Message, flow: Flow) {
    let sender = ack.from().ok().and_then(|from| translate::address_of(&from.uri));
    let is_known =
        flow.is_reliable() && sender.is_some_and(|sender| door.locations.device_at(&sender, &flow).is_some());
    let target = ack.request_uri().ok().filter(|_| is_known).and_then(|uri| door.find_phone(&uri)?.target());
    let (Some(target), Ok(hops)) = (target, next_hops(ack)) else {
        return debug!(peer = %flow.peer, "ack of no call");
    };
    let hop = to_target(strip(ack, hops).remove(HeaderName::Route), &target);
    if let Err(error) = door.layer.send_stateless(&hop.request, &hop.destination) {
        debug!(%error, "ack not passed on");
    }
}

/// Of a request whose dialog is not known here nothing is learned.
struct Unobserved;

impl Observer for Unobserved {
    fn handle_event(&self, _branch: usize, _event: &ClientEvent) {}
}
