//! slixmpp: a real XMPP client, driven through `tests/interop/xmpp_client.py`.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::Program;

/// One XMPP session, or the attempt at one.
pub(crate) struct Slixmpp {
    client: Program,
}

impl Slixmpp {
    /// Starts a client that does nothing yet.
    pub(crate) fn start(name: &str) -> Self {
        Self { client: Program::python(name, "tests/interop/xmpp_client.py", &[]) }
    }

    /// Logs in over STARTTLS, gets the roster and becomes available.
    pub(crate) async fn online(address: &str, password: &str, server: SocketAddr) -> Self {
        let mut client = Self::start(&format!("slixmpp of {address}"));
        client.login(address, password, server, json!({})).await;
        client.act(json!({"do": "presence"})).await;
        client
    }

    /// Logs in; `more` may have `resource`, `direct_tls`, `mechanism`, `ca` (see the script).
    #[track_caller]
    pub(crate) fn login(
        &mut self,
        address: &str,
        password: &str,
        server: SocketAddr,
        more: Value,
    ) -> impl Future<Output = Value> {
        let mut command = json!({
            "do": "login", "jid": address, "password": password,
            "host": server.ip().to_string(), "port": server.port(),
        });
        if let (Value::Object(command), Value::Object(more)) = (&mut command, more) {
            command.extend(more);
        }
        self.client.ask(command)
    }

    /// Does something that `tests/interop/xmpp_client.py` knows; it has to succeed.
    #[track_caller]
    pub(crate) fn act(&mut self, deed: Value) -> impl Future<Output = Value> {
        self.client.ask(deed)
    }

    /// As [`Self::act`], for what may fail: the answer tells.
    #[track_caller]
    pub(crate) fn attempt(&mut self, deed: &Value) -> impl Future<Output = Value> {
        self.client.try_ask(deed)
    }

    /// Waits for an event, `message`, `presence`, `roster` or `disconnected`, for which `fits` holds.
    #[track_caller]
    pub(crate) fn event(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> impl Future<Output = Value> {
        self.client.event(kind, fits)
    }

    /// Waits for a message with a text and returns the event.
    #[track_caller]
    pub(crate) fn read(&mut self, text: &str) -> impl Future<Output = Value> {
        let text = text.to_owned();
        self.client.event("message", move |event| event["body"] == text.as_str())
    }

    /// Every event of a kind that came so far.
    pub(crate) fn all_events(&self, kind: &str) -> Vec<Value> {
        self.client.all_events(kind)
    }

    /// Whether an event is among those that came and were not asked for.
    pub(crate) fn has_heard(&mut self, fits: impl Fn(&Value) -> bool) -> bool {
        self.client.has_heard(|line| serde_json::from_str(line).is_ok_and(|event| fits(&event)))
    }
}

mod tests {
    use super::*;

    #[tokio::test]
    async fn client_tells_that_nobody_is_there() {
        let mut client = Slixmpp::start("slixmpp of nobody");
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let answer = client
            .attempt(&json!({
                "do": "login", "jid": "alice@localhost", "password": "x",
                "host": "127.0.0.1", "port": closed.port(),
            }))
            .await;
        assert_eq!(answer["ok"], false, "{answer}");
    }
}
