//! A slixmpp component (XEP-0114), connected or not.

use rollcall::{signal::Address, xmpp::Service};
use serde_json::{Value, json};

use super::{House, Program};

/// What a service of a test knows.
pub(crate) const SECRET: &str = "sesame";

/// The program; tests/interop/xmpp_component.py says what it can be asked for.
pub(crate) struct Component(pub(crate) Program);

impl Component {
    pub(crate) fn start(name: &str) -> Self {
        Self(Program::python(name, "tests/interop/xmpp_component.py", &[]))
    }

    pub(crate) async fn connected(house: &House, domain: &str) -> Self {
        let mut component = Self::start(domain);
        component.0.ask(connect(house, domain, SECRET)).await;
        component
    }

    /// Waits for presence of this type from somebody whose address begins so.
    pub(crate) async fn presence(&mut self, from: &str, kind: &str) -> Value {
        let is_from = |jid: &Value| jid.as_str().is_some_and(|jid| jid.starts_with(from));
        self.0.event("presence", |event| is_from(&event["from"]) && event["type"] == kind).await
    }
}

/// The command that connects.
pub(crate) fn connect(house: &House, domain: &str, secret: &str) -> Value {
    let place = house.server().component_addresses()[0];
    let (host, port) = (place.ip().to_string(), place.port());
    json!({"do": "connect", "domain": domain, "secret": secret, "host": host, "port": port})
}

/// A service that knows [`SECRET`], in the configuration.
pub(crate) fn service(domain: &str, name: Option<&str>) -> Service {
    let domain = Address::domain_only(domain).unwrap();
    let (secret, name) = (SECRET.to_owned(), name.map(str::to_owned));
    Service { domain, secret, name, federated: true, stanzas: None }
}
