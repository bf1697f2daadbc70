//! A presence client that does what Blink does, driven through `tests/interop/blink_client.py`.
//!
//! It complains about whatever Blink would drop silently or stumble over. Every test that has one fails
//! where there was a complaint, asked for or not.

use std::{net::SocketAddr, path::Path};

use serde_json::{Value, json};

use super::{House, PASSWORD, Program};

/// One device of a Blink user at `localhost`.
pub(crate) struct Blink {
    client: Program,
    name: String,
}

impl Blink {
    /// Starts it, over TLS where `more` says no other: it registers, publishes, and subscribes to its
    /// watchers, its contacts and its own presence. `more` is what the script knows.
    pub(crate) async fn start_as(user: &str, server: SocketAddr, more: Value) -> Self {
        let name = format!("Blink of {user}");
        let mut client = Program::python(&name, "tests/interop/blink_client.py", &[]);
        let mut command = json!({
            "do": "start", "user": user, "domain": "localhost", "password": PASSWORD,
            "host": server.ip().to_string(), "port": server.port(),
        });
        if let (Value::Object(command), Value::Object(more)) = (&mut command, more) {
            command.extend(more);
        }
        client.ask(command).await;
        Self { client, name }
    }

    /// Starts a whole one, with its address book: what it has to know after a restart is in `folder`. `more` is
    /// what the script knows. Its answer tells which documents it fetched and put.
    pub(crate) async fn whole(user: &str, house: &House, folder: &Path, more: Value) -> (Self, Value) {
        let name = format!("whole Blink of {user}");
        let mut client = Program::python(&name, "tests/interop/blink_session.py", &[]);
        let server = house.sip_tls();
        let mut command = json!({
            "do": "start", "user": user, "domain": "localhost", "password": PASSWORD, "folder": folder,
            "root": format!("http://{}/xcap-root", house.http()),
            "host": server.ip().to_string(), "port": server.port(),
        });
        if let (Value::Object(command), Value::Object(more)) = (&mut command, more) {
            command.extend(more);
        }
        let answer = client.ask(command).await;
        (Self { client, name }, answer)
    }

    /// Does something that the script knows; it has to succeed.
    #[track_caller]
    pub(crate) fn act(&mut self, deed: Value) -> impl Future<Output = Value> {
        self.client.ask(deed)
    }

    /// Waits for an event for which `fits` holds.
    #[track_caller]
    pub(crate) fn event(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> impl Future<Output = Value> {
        self.client.event(kind, fits)
    }

    /// Waits until a PUBLISH of a kind (`initial`, `modify`, `refresh`, `remove`) is answered so.
    #[track_caller]
    pub(crate) fn published(&mut self, kind: &str, status: u16) -> impl Future<Output = Value> {
        let kind = kind.to_owned();
        self.client
            .event("published", move |event| event["kind"] == kind.as_str() && event["status"] == status)
    }

    /// Waits until its own presence, or that of `uri`, has a service with these words of `extended`, in
    /// any order and no others.
    #[track_caller]
    pub(crate) fn shows(&mut self, uri: &str, extended: &[&str]) -> impl Future<Output = Value> {
        let uri = format!("sip:{uri}");
        let mut wanted: Vec<_> = extended.iter().map(|word| (*word).to_owned()).collect();
        wanted.sort();
        self.client.event("self", move |event| {
            let services = event["services"].as_array().into_iter().flatten();
            let mut found: Vec<_> =
                services.map(|service| service["extended"].as_str().unwrap_or_default().to_owned()).collect();
            found.sort();
            event["uri"] == uri.as_str() && found == wanted
        })
    }

    /// Waits until an event of a kind has a service with this id, of which `fits` holds, and gives that
    /// service.
    #[track_caller]
    pub(crate) fn service(
        &mut self,
        kind: &str,
        id: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> impl Future<Output = Value> {
        let id = id.to_owned();
        let find = move |event: &Value| {
            let services = event["services"].as_array()?;
            services.iter().find(|service| service["id"] == id.as_str() && fits(service)).cloned()
        };
        let kind = kind.to_owned();
        self.client.hear(format!("the service in an event `{kind}`"), move |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            if event["event"] == kind.as_str() { find(&event) } else { None }
        })
    }

    /// Every event of a kind that came so far.
    pub(crate) fn all_events(&self, kind: &str) -> Vec<Value> {
        self.client.all_events(kind)
    }
}

impl Drop for Blink {
    fn drop(&mut self) {
        let complaints = self.client.all_events("complaint");
        if !std::thread::panicking() {
            assert!(complaints.is_empty(), "{}: {complaints:#?}{}", self.name, self.client.said());
        }
    }
}
