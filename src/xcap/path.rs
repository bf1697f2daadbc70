//! Paths below the root: which document, and which node of it (RFC 4825 §6).
//!
//! Paths are read as they came over the wire, segment by segment: what an escape hides is looked at after the
//! path was split, so that no escape makes or hides a segment. Spellings that mean the same account are one.

use std::borrow::Cow;

use crate::{
    documents::{Application, find_application},
    formats::percent::decode,
    signal::Address,
};

/// What a request is about.
#[derive(Debug, Clone)]
pub(super) struct Resource<'a> {
    pub(super) application: &'static Application,
    pub(super) tree: Owner,
    /// The name under which the document is known, whichever of its names was used.
    pub(super) name: String,
    /// The path of the document as it was written.
    pub(super) written: &'a str,
    /// What stands behind `/~~/`, as it was written.
    pub(super) node: Option<&'a str>,
}

/// Whose documents they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    Global,
    User(Address),
}

impl<'a> Resource<'a> {
    /// Reads a path. `None` where there is no such application, no such user could be, or the application has
    /// no document of that name.
    pub(super) fn parse(root: &str, path: &'a str) -> Option<Self> {
        let below = path.strip_prefix(root)?.strip_prefix('/')?;
        let (document, node) = split_node(below);
        let written = path.get(..root.len() + 1 + document.len())?;
        let segments = document.split('/').map(decode_segment).collect::<Option<Vec<_>>>()?;
        let [auid, tree, rest @ ..] = segments.as_slice() else { return None };
        let application = find_application(auid)?;
        let (tree, name) = match (tree.as_str(), rest) {
            ("global", name) => (Owner::Global, name),
            ("users", [user, name @ ..]) => (Owner::User(parse_user(user)?), name),
            _ => return None,
        };
        let name = application.document_name(&name.join("/"))?.to_owned();
        Some(Self { application, tree, name, written, node })
    }
}

/// Parts a path at its first `~~` (§8), however that is written.
fn split_node(path: &str) -> (&str, Option<&str>) {
    let mut start = 0;
    for segment in path.split('/') {
        if decode(segment).as_deref() == Some("~~") {
            let document = path.get(..start.max(1) - 1).unwrap_or_default();
            return (document, Some(path.get(start + segment.len() + 1..).unwrap_or_default()));
        }
        start += segment.len() + 1;
    }
    (path, None)
}

/// A segment without escapes; `None` where it would be none, or several.
fn decode_segment(segment: &str) -> Option<String> {
    let is_name = |text: &String| {
        !matches!(text.as_str(), "" | "." | "..") && !text.contains('/') && !text.contains(char::is_control)
    };
    decode(segment).map(Cow::into_owned).filter(is_name)
}

/// The account that a user's segment means: `sip:alice@example.org`, or without the scheme.
fn parse_user(text: &str) -> Option<Address> {
    let bare = match text.split_once(':') {
        Some((scheme, bare)) if ["sip", "sips"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            bare
        }
        Some(_) => return None,
        None => text,
    };
    Address::parse(bare).ok().filter(|address| !address.is_domain())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "/xcap-root";

    fn show(path: &str) -> Option<String> {
        let found = Resource::parse(ROOT, path)?;
        let owner = match &found.tree {
            Owner::Global => "global".to_owned(),
            Owner::User(address) => address.to_string(),
        };
        Some(format!("{} {owner} {} {:?}", found.application.auid, found.name, found.node))
    }

    #[test]
    fn documents_and_nodes_are_told_apart() {
        let alice = "resource-lists alice@example.org index";
        for (path, expected) in [
            ("/resource-lists/users/sip:alice@example.org/index", format!("{alice} None")),
            ("/resource-lists/users/sip:alice@example.org/index/~~/a/b", format!("{alice} Some(\"a/b\")")),
            (
                "/resource-lists/users/sip:alice@example.org/index/~~/a/~~/b",
                format!("{alice} Some(\"a/~~/b\")"),
            ),
            (
                "/resource-lists/users/sip:alice@example.org/index/%7E~/a%5b",
                format!("{alice} Some(\"a%5b\")"),
            ),
            ("/resource-lists/users/sip:alice@example.org/index/~~", format!("{alice} Some(\"\")")),
            ("/xcap-caps/global/index", "xcap-caps global index None".to_owned()),
            (
                "/org.openmobilealliance.pres-content/users/sip:alice@example.org/oma_status-icon/index",
                "org.openmobilealliance.pres-content alice@example.org oma_status-icon/index None".to_owned(),
            ),
        ] {
            assert_eq!(show(&format!("{ROOT}{path}")), Some(expected), "{path}");
        }
    }

    #[test]
    fn spellings_of_one_account_are_one() {
        for user in [
            "sip:alice@example.org",
            "sip%3Aalice%40example.org",
            "sip%3aalice@EXAMPLE.ORG",
            "SIP:Alice@Example.org",
            "sips:alice@example.org",
            "alice@example.org",
            "alice%40example.org",
            "%61lice@example.org",
        ] {
            let path = format!("{ROOT}/resource-%6Cists/%75sers/{user}/index");
            let expected = "resource-lists alice@example.org index None";
            assert_eq!(show(&path).as_deref(), Some(expected), "{user}");
        }
    }

    #[test]
    fn tricks_lead_nowhere() {
        for path in [
            "",
            "/",
            "/resource-lists",
            "/resource-lists/users",
            "/resource-lists/users/",
            "/resource-lists/users/sip:alice@example.org",
            "/resource-lists/users/sip:alice@example.org/",
            "/resource-lists//users/sip:alice@example.org/index",
            "/resource-lists/users//sip:alice@example.org/index",
            "/resource-lists/users/sip:bob@example.org/../sip:alice@example.org/index",
            "/resource-lists/users/sip:bob@example.org/%2e%2e/sip:alice@example.org/index",
            "/resource-lists/users/sip:bob@example.org/..%2fsip:alice@example.org/index",
            "/resource-lists/users/sip:bob@example.org%2f..%2fsip:alice@example.org/index",
            "/resource-lists/users/sip:alice@example.org/./index",
            "/resource-lists/users/sip:alice@example.org/a%00b",
            "/resource-lists/users/sip:alice@example.org/a%",
            "/resource-lists/users/sip:alice@example.org/a%ff",
            "/resource-lists/users/sip:example.org/index",
            "/resource-lists/users/alice/index",
            "/resource-lists/users/tel:+123/index",
            "/resource-lists/users/sip:alice@example.org;gr/index",
            "/resource-lists/others/sip:alice@example.org/index",
            "/unknown/users/sip:alice@example.org/index",
            "/Resource-Lists/users/sip:alice@example.org/index",
            "/~~/resource-lists/users/sip:alice@example.org/index",
            "/../xcap-root/xcap-caps/global/index",
        ] {
            assert_eq!(show(&format!("{ROOT}{path}")), None, "{path}");
        }
        assert_eq!(show("/xcap-rootx/xcap-caps/global/index"), None);
    }
}
