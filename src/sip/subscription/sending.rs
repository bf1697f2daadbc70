//! How NOTIFYs leave, and what their answers say of a subscription (RFC 6665 §4.2.2).

use super::{
    Arc, ClientEvent, Duration, Entry, Failure, HeaderName, Instant, Message, Ordering, Outgoing, Package,
    Rates, Reach, SubscriptionId, Subscriptions,
};

impl Subscriptions {
    pub(super) fn send(self: &Arc<Self>, outgoing: Outgoing) {
        let Outgoing { id, request, reach, .. } = outgoing;
        let Some(destination) = reach.destination() else { return self.table.lose_reach(id, reach) };
        let subscriptions = Arc::downgrade(self);
        let on_event = move |event| {
            if let Some(subscriptions) = subscriptions.upgrade() {
                subscriptions.handle_event(id, &event, reach);
            }
        };
        if self.layer.send_prepared(request, &destination, on_event).is_err() {
            self.handle_event(id, &ClientEvent::Failed(Failure::Unreachable), reach);
        }
    }

    /// What becomes of a NOTIFY that went by `reach`. Of a watcher who is reached in another way by now it says
    /// nothing.
    fn handle_event(&self, id: SubscriptionId, event: &ClientEvent, reach: Reach) {
        if self.is_stopping.load(Ordering::Relaxed) {
            return;
        }
        let now = Instant::now();
        let package = self.table.with(id, |entry| entry.package);
        let is_ready = match outcome_of(event, reach) {
            // Documents that were perhaps not told are not told again: RFC 5875 §4.7 ends the subscription.
            Outcome::Unanswered if package == Some(Package::Documents) => {
                if let Some(entry) = self.table.remove_at(id, reach) {
                    self.finish(entry);
                }
                false
            }
            Outcome::Waiting => false,
            Outcome::Settled => self.table.change_at((id, reach), |entry| {
                if let ClientEvent::Final(response) = event {
                    self.heed_wishes(entry, response, now);
                }
                entry.notifier.handle_answer()
            }),
            Outcome::Refused(pause) => self.table.change_at((id, reach), |entry| {
                entry.teller.forget();
                entry.notifier.handle_refusal(pause, now);
                true
            }),
            Outcome::Unanswered => self.table.change_at((id, reach), |entry| {
                entry.teller.forget();
                entry.notifier.handle_answer()
            }),
            Outcome::Lost => {
                self.table.lose_reach(id, reach);
                true
            }
            Outcome::Dead => {
                if let Some(entry) = self.table.remove_at(id, reach) {
                    self.finish(entry);
                }
                false
            }
        };
        if is_ready {
            self.work.notify_one();
        }
    }

    /// A watcher may change his rates in the answer to a NOTIFY (RFC 6446 §5.2).
    fn heed_wishes(&self, entry: &mut Entry, response: &Message, now: Instant) {
        if entry.notifier.rates().is_none() || !response.has(HeaderName::Event) {
            return;
        }
        if let Ok(Some(event)) = response.event() {
            let left = entry.notifier.expires().saturating_duration_since(now);
            entry.notifier.set_rates(Rates::read(&event.params, self.limits.interval, left), now);
        }
    }
}

/// What an event says of the NOTIFY and its subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Waiting,
    /// The next NOTIFY may go.
    Settled,
    /// The watcher may not know what he was told; the next NOTIFY may go.
    Unanswered,
    /// Something is in the way that may pass: the same again after a while.
    Refused(Duration),
    /// The connection is gone, the watcher perhaps not.
    Lost,
    /// The watcher knows nothing of the subscription, or cannot be reached.
    Dead,
}

/// RFC 6665 §4.2.2. Where nothing answers, a connection that stands says that the watcher is there; a
/// datagram that is never answered says that he is not.
fn outcome_of(event: &ClientEvent, reach: Reach) -> Outcome {
    match event {
        ClientEvent::Provisional(_) => Outcome::Waiting,
        ClientEvent::Final(response) => match response.status().unwrap_or_default() {
            200..=299 => Outcome::Settled,
            404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604 => Outcome::Dead,
            _ => {
                let after = response.text(HeaderName::RetryAfter);
                let digits = after.as_deref().map(|text| text.split([' ', ';', '(']).next().unwrap_or(text));
                let seconds = digits.and_then(|digits| digits.parse::<u32>().ok());
                Outcome::Refused(Duration::from_secs(seconds.unwrap_or(30).clamp(1, 3600).into()))
            }
        },
        ClientEvent::Failed(Failure::Timeout) if reach.is_reliable() => Outcome::Unanswered,
        ClientEvent::Failed(Failure::Unreachable) if reach.is_reliable() => Outcome::Lost,
        ClientEvent::Failed(_) => Outcome::Dead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{
        message::Limits as MessageLimits,
        transport::{Flow, Protocol},
    };

    fn answered(status: &str) -> ClientEvent {
        let text = format!("SIP/2.0 {status}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\r\n");
        ClientEvent::Final(Message::parse_datagram(text.into(), &MessageLimits::default()).unwrap())
    }

    #[test]
    fn answers_to_a_notify_decide_about_the_subscription() {
        let flow = |protocol| Reach::Flow(Flow::for_test(protocol, ([192, 0, 2, 1], 5060).into(), 1));
        let (udp, tcp) = (flow(Protocol::Udp), flow(Protocol::Tcp));
        let seconds = |seconds| Outcome::Refused(Duration::from_secs(seconds));
        for (event, reach, expected) in [
            (answered("200 OK"), udp, Outcome::Settled),
            (answered("481 Gone"), udp, Outcome::Dead),
            (answered("489 Bad Event"), tcp, Outcome::Dead),
            (answered("500 Oops"), udp, seconds(30)),
            (answered("503 Busy\r\nRetry-After: 7;duration=3"), udp, seconds(7)),
            (ClientEvent::Failed(Failure::Timeout), udp, Outcome::Dead),
            (ClientEvent::Failed(Failure::Timeout), tcp, Outcome::Unanswered),
            (ClientEvent::Failed(Failure::Unreachable), tcp, Outcome::Lost),
            (ClientEvent::Failed(Failure::Unreachable), udp, Outcome::Dead),
        ] {
            assert_eq!(outcome_of(&event, reach), expected, "{event:?}");
        }
    }
}
