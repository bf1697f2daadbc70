//! `org.openxcap.watchers`: who watches the owner, as the reference server of Blink tells it.

use super::{Application, Names, Origin, Readers, unconstrained};
use crate::{
    documents::schema::{Declaration, Kind, Namespace, Particle, Schema, Simple, Term, XML},
    formats::xml,
    signal::{WatcherEvent, WatcherList, WatcherStatus},
};

/// The application.
pub(super) static APPLICATION: Application = Application {
    auid: "org.openxcap.watchers",
    media_type: "application/xml",
    default_namespace: WATCHERS,
    namespaces: &[WATCHERS],
    names: Names::One { name: "index", aliases: &[] },
    stored_as: "org.openxcap.watchers",
    readers: Readers::Owner,
    origin: Origin::Computed,
    schema: &SCHEMA,
    root: &ROOT,
    constraints: unconstrained,
};

static SCHEMA: Schema = Schema { namespaces: &[&NAMESPACE, &XML] };
static NAMESPACE: Namespace = Namespace { name: WATCHERS, elements: &[ROOT], attributes: &[] };

const ROOT: Declaration = element("watchers", &ROOT_KIND);
static ROOT_KIND: Kind = Kind::of(Particle::some(Term::Element(&element("watcher", &WATCHER))));

/// In the order in which they are printed: the schema allows any.
static WATCHER: Kind = Kind::of(Particle::one(Term::Sequence(&[
    Particle::one(Term::Element(&element("id", &TEXT))),
    Particle::one(Term::Element(&element("online", &BOOLEAN))),
    Particle::one(Term::Element(&element("status", &STATUS))),
])));
static TEXT: Kind = Kind::text(Simple::String);
static BOOLEAN: Kind = Kind::text(Simple::Boolean);
static STATUS: Kind = Kind::text(Simple::Exactly(&["allow", "confirm", "deny", "unknown"]));

const fn element(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: WATCHERS, name, kind }
}

/// The document of these watchers; `None` where nobody watches, since the schema has no empty document.
#[must_use]
pub fn print(list: &WatcherList) -> Option<String> {
    if list.watchers.is_empty() {
        return None;
    }
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<watchers xmlns=\"{WATCHERS}\">");
    for watcher in &list.watchers {
        let is_there = matches!(watcher.status, WatcherStatus::Active | WatcherStatus::Pending);
        let status = match (watcher.status, watcher.event) {
            (WatcherStatus::Active, _) => "allow",
            (WatcherStatus::Pending | WatcherStatus::Waiting, _) => "confirm",
            (WatcherStatus::Terminated, WatcherEvent::Rejected) => "deny",
            (WatcherStatus::Terminated, _) => "unknown",
        };
        out.push_str("\n  <watcher>");
        xml::push_element(&mut out, "id", &format!("sip:{}", watcher.address.with_ascii_domain()));
        xml::push_element(&mut out, "online", if is_there { "true" } else { "false" });
        xml::push_element(&mut out, "status", status);
        out.push_str("</watcher>");
    }
    out.push_str("\n</watchers>\n");
    Some(out)
}

const WATCHERS: &str = "http://openxcap.org/ns/watchers";
