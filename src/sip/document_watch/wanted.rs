//! The resources that a SUBSCRIBE of `xcap-diff` names (RFC 5875 §4.4): relative to the XCAP root, or whole URIs of
//! it, whatever host they name.

use std::borrow::Cow;

use compact_str::CompactString;
use rustc_hash::FxHashSet;

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
}

impl Wanted {
    /// Whether it is this document, or a collection that has it.
    pub(in crate::sip) fn has_document(&self, id: &DocumentId) -> bool {
        match &self.place {
            Place::Document(known) => known == id,
            Place::Collection { application, prefix, .. } => {
                id.application == application.stored_as && id.name.starts_with(prefix.as_str())
            }
            Place::Node(..) => false,
        }
    }
}

/// The resources of a list, each once, under the first of the URIs that lead to it.
pub(in crate::sip) fn read_wanted(lists: &ResourceLists, owner: &Address) -> Vec<Wanted> {
    let mut known: FxHashSet<Name> = FxHashSet::default();
    let mut wanted: Vec<Wanted> = Vec::new();
    for entry in lists.entries().take(MOST) {
        if let Some((place, name)) = place_of(&entry.uri, owner)
            && known.insert(name)
        {
            wanted.push(Wanted { uri: entry.uri.clone(), place });
        }
    }
    wanted
}

/// What a resource is called, however its URI is written: the application, and what of it. Documents that several
/// applications share are followed in each of them.
type Name = (&'static str, String);

/// The place that a URI names; `None` where it is nothing that he may see, or that can be. Only nodes have a query
/// (RFC 4825 §6.4): any other is not looked at.
fn place_of(uri: &str, owner: &Address) -> Option<(Place, Name)> {
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
                    let Some(node) = node else {
                        let name = (application.auid, id.name.to_string());
                        return Some((Place::Document(id), name));
                    };
                    let selector = Selector::parse(node, query, Some(application.default_namespace));
                    let (node, query) = (percent::decode(node)?, query.unwrap_or_default());
                    let name = (application.auid, format!("{}/~~/{node}?{query}", id.name));
                    Some((Place::Node(id, selector.ok()?), name))
                }
            }
        }
        _ => None,
    }
}

fn collection(application: &'static Application, between: String, prefix: String) -> (Place, Name) {
    let name = (application.auid, format!("{prefix}/"));
    (Place::Collection { application, between, prefix }, name)
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
    use crate::formats::resource_lists::Limits;

    fn named(uri: &str) -> String {
        let alice = Address::parse("alice@example.org").unwrap();
        match place_of(uri, &alice) {
            Some((Place::Document(id), _)) => format!("document {id}"),
            Some((Place::Node(id, _), _)) => format!("node of {id}"),
            Some((Place::Collection { application, between, prefix }, _)) => {
                format!("collection {} [{between}] [{prefix}]", application.stored_as)
            }
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn resource_is_followed_once_however_its_uris_are_written() {
        let alice = Address::parse("alice@example.org").unwrap();
        let users = "resource-lists/users/sip:alice@example.org";
        for (uris, expect) in [
            (&["/index", "/index?1", "/index?2", "/inde%78"][..], 1),
            (&["/index/~~/*", "/index/~~/%2a", "/index/~~/*?xmlns(a=urn:a)", "/index", "/index"], 3),
            (&["/", "/?1", "//", "/?2"], 1),
            (&["/", "/a/", "/a", "/b/"], 4),
            (&["/index/~~/[", "/../index"], 0),
        ] {
            let entries: String = uris.iter().map(|uri| format!("<entry uri=\"{users}{uri}\"/>")).collect();
            let text = format!(
                "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>{entries}</list>\
                 </resource-lists>"
            );
            let lists = ResourceLists::parse(text.as_bytes(), &Limits::default()).unwrap();
            let wanted = read_wanted(&lists, &alice);
            assert_eq!(wanted.len(), expect, "{uris:?}: {wanted:?}");
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
            ("resource-lists/users/sip:alice@example.org/index?1", "document resource-lists/index"),
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
