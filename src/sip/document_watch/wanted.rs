//! The resources that a SUBSCRIBE of `xcap-diff` names (RFC 5875 §4.4): relative to the XCAP root, or whole URIs of
//! it, whatever host they name.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::{
    documents::{Application, Selector, find_application},
    formats::{percent, resource_lists::ResourceLists},
    signal::{Address, DocumentId},
};

/// One resource that somebody follows.
#[derive(Debug, Clone)]
pub(in crate::sip) struct Wanted {
    /// As it was written.
    pub(super) uri: CompactString,
    pub(super) place: Place,
}

/// Where a resource is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Document(DocumentId),
    /// Every document of an application whose name begins so, each under what follows the URI of the collection.
    Collection {
        application: &'static Application,
        /// Between the collection and the names of documents.
        between: String,
        prefix: String,
    },
    Node(DocumentId, Selector),
    /// Nothing that he may see, or that can be.
    Nothing,
}

impl Wanted {
    /// Whether it is this document, or a collection that has it.
    pub(in crate::sip) fn has_document(&self, id: &DocumentId) -> bool {
        match &self.place {
            Place::Document(known) => known == id,
            Place::Collection { application, prefix, .. } => {
                id.application == application.stored_as && id.name.starts_with(prefix.as_str())
            }
            Place::Node(..) | Place::Nothing => false,
        }
    }
}

/// The resources of a list, each once.
pub(in crate::sip) fn read_wanted(lists: &ResourceLists, owner: &Address) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for entry in lists.entries().take(MOST) {
        if wanted.iter().all(|known| known.uri != entry.uri) {
            let place = place_of(&entry.uri, owner).unwrap_or(Place::Nothing);
            wanted.push(Wanted { uri: entry.uri.clone(), place });
        }
    }
    wanted
}

fn place_of(uri: &str, owner: &Address) -> Option<Place> {
    let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
    let (document, node) = split_node(path);
    let (application, segments) = below_root(document)?;
    let is_collection = document.ends_with('/') && node.is_none();
    let segments: Vec<&str> =
        segments.iter().map(String::as_str).filter(|segment| !segment.is_empty()).collect();
    match (segments.as_slice(), is_collection) {
        ([], true) => {
            Some(collection(application, format!("users/sip:{}/", owner.with_ascii_domain()), String::new()))
        }
        (["users"], true) => {
            Some(collection(application, format!("sip:{}/", owner.with_ascii_domain()), String::new()))
        }
        (["users", user, name @ ..], _) if is_owner(user, owner) => {
            let name = name.join("/");
            match (is_collection, name.is_empty()) {
                (true, true) => Some(collection(application, String::new(), String::new())),
                (true, false) => Some(collection(application, String::new(), format!("{name}/"))),
                (false, true) => None,
                (false, false) => {
                    let id = DocumentId::new(application.stored_as, application.document_name(&name)?);
                    let Some(node) = node else { return Some(Place::Document(id)) };
                    let selector = Selector::parse(node, query, Some(application.default_namespace));
                    Some(Place::Node(id, selector.ok()?))
                }
            }
        }
        _ => None,
    }
}

fn collection(application: &'static Application, between: String, prefix: String) -> Place {
    Place::Collection { application, between, prefix }
}

/// Parts a path at its node selector (RFC 4825 §6.1).
fn split_node(path: &str) -> (&str, Option<&str>) {
    let separator =
        ["/~~/", "/%7E%7E/", "/%7e%7e/"].iter().find_map(|text| Some((path.find(text)?, text.len())));
    match separator {
        Some((at, length)) => (path.get(..at).unwrap_or_default(), path.get(at + length..)),
        None => (path, None),
    }
}

/// The application that a path is about and the segments that follow, without escapes. What comes before is
/// the root, by whatever name the client knows it.
fn below_root(path: &str) -> Option<(&'static Application, Vec<String>)> {
    let segments: Vec<String> = path.split('/').map(decode).collect::<Option<_>>()?;
    let at = segments.iter().position(|segment| find_application(segment).is_some())?;
    let application = find_application(segments.get(at)?)?;
    let rest: Vec<String> = segments.into_iter().skip(at + 1).collect();
    rest.iter().all(|segment| !matches!(segment.as_str(), "." | "..")).then_some((application, rest))
}

/// Whether a user identifier is the owner's: `sip:alice@example.org`, or without the scheme.
fn is_owner(user: &str, owner: &Address) -> bool {
    let bare = user.strip_prefix("sip:").or_else(|| user.strip_prefix("sips:")).unwrap_or(user);
    Address::parse(bare).is_ok_and(|address| address == *owner)
}

/// A segment without its escapes; `None` where it would be none, or several.
fn decode(segment: &str) -> Option<String> {
    percent::decode(segment).map(Cow::into_owned).filter(|text| !text.contains('/'))
}

/// Most resources of one subscription; what is listed behind them is not followed.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn named(uri: &str) -> String {
        let alice = Address::parse("alice@example.org").unwrap();
        match place_of(uri, &alice).unwrap_or(Place::Nothing) {
            Place::Document(id) => format!("document {id}"),
            Place::Node(id, _) => format!("node of {id}"),
            Place::Collection { application, between, prefix } => {
                format!("collection {} [{between}] [{prefix}]", application.stored_as)
            }
            Place::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn documents_are_found_by_every_name_that_clients_give_them() {
        for (uri, expect) in [
            ("resource-lists/users/sip:alice@example.org/index", "document resource-lists/index"),
            ("resource-lists/users/sip%3Aalice%40example.org/index", "document resource-lists/index"),
            ("/resource-lists/users/alice@example.org/index", "document resource-lists/index"),
            (
                "https://xcap.example.org:8443/xcap-root/resource-lists/users/sip:alice@example.org/index",
                "document resource-lists/index",
            ),
            ("resource-lists/users/sip:bob@example.org/index", "nothing"),
            ("resource-lists/users/sip:alice@example.org/../index", "nothing"),
            ("unheard-of/users/sip:alice@example.org/index", "nothing"),
            ("resource-lists/users/sip:alice@example.org/", "collection resource-lists [] []"),
            ("resource-lists/users/", "collection resource-lists [sip:alice@example.org/] []"),
            ("pidf-manipulation/", "collection pidf-manipulation [users/sip:alice@example.org/] []"),
            (
                "rls-services/users/sip:alice@example.org/index/~~/*/service%5b@uri='sip:marketing@example.com'%5d",
                "node of rls-services/index",
            ),
            (
                "rls-services/users/sip:alice@example.org/index/~~/p:x?xmlns(p=urn:p)",
                "node of rls-services/index",
            ),
            ("rls-services/users/sip:alice@example.org/index/~~/[", "nothing"),
            ("", "nothing"),
            ("%zz", "nothing"),
        ] {
            assert_eq!(named(uri), expect, "{uri}");
        }
    }
}
