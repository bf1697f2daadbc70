//! XEP-0115: Entity Capabilities, of the server itself: a hash over its identity and features, put into the
//! stream features so that clients need not ask.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

use super::{Module, disco};

pub(super) const MODULE: Module =
    Module { server_features: &["http://jabber.org/protocol/caps"], ..Module::NONE };

/// The `ver` of the server (XEP-0115 §5.1).
pub(in crate::xmpp) fn version() -> String {
    let mut features = disco::server_features();
    features.sort_unstable();
    features.dedup();
    let mut text = format!("{}<", disco::SERVER_IDENTITY.caps_text());
    for feature in features {
        text.push_str(feature);
        text.push('<');
    }
    BASE64.encode(Sha1::digest(text.as_bytes()))
}

/// The element for the stream features (XEP-0115 §6.3).
pub(in crate::xmpp) fn print() -> String {
    let version = version();
    format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='{NODE}' ver='{version}'/>")
}

/// Who computed the hash. Clients ask for `NODE#ver`.
pub(in crate::xmpp) const NODE: &str = "urn:rollcall:server";
