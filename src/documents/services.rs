//! Who is in the list that an address stands for (RFC 4826 §4): the list of a service, its references followed.
//!
//! References are resolved by their path, whatever host they name, and into documents of the same account alone.
//! They are followed so deep and so far, and no list twice, so that circles end.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;

use super::{
    Document, Documents,
    contacts::RESOURCE_LISTS,
    tree::{Element, Selected, Selector, Tree},
};
use crate::{
    formats::{percent::unescape, rules::read_entity},
    signal::{Address, DocumentId, Entity, Reject},
};

/// Somebody in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As it is written.
    pub uri: CompactString,
    /// A name for people, and its language.
    pub name: Option<(CompactString, Option<CompactString>)>,
}

impl Documents {
    /// Who is in the list of the account's service whose address `is_wanted`, in the order of the list; `None` where
    /// it has none for this event package.
    ///
    /// # Errors
    /// As [`Documents::read`].
    pub async fn members(
        &self,
        owner: &Address,
        package: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<Vec<Member>>, Reject> {
        let documents = self.all(owner).await?;
        let mut reader = Reader::new(owner, &documents);
        for tree in reader.services() {
            let is_it =
                |service: &Element<'_>| has_address(*service, &is_wanted) && is_for(*service, package);
            if let Some(service) = tree.root().elements_named(RLS_SERVICES, "service").find(is_it) {
                reader.service(service);
                return Ok(Some(reader.members));
            }
        }
        Ok(None)
    }

    /// Whether the account has a service whose address `is_wanted`, for whatever package.
    ///
    /// # Errors
    /// As [`Documents::read`].
    pub async fn has_service(
        &self,
        owner: &Address,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<bool, Reject> {
        let documents = self.all(owner).await?;
        let trees = Reader::new(owner, &documents).services();
        let mut services = trees.iter().flat_map(|tree| tree.root().elements_named(RLS_SERVICES, "service"));
        Ok(services.any(|service| has_address(service, &is_wanted)))
    }
}

fn has_address(service: Element<'_>, is_wanted: &impl Fn(&str) -> bool) -> bool {
    service.attribute("uri").is_some_and(|uri| is_wanted(&uri))
}

/// Whether a service is for a package; one that names none is for all (RFC 4826 §4.1).
fn is_for(service: Element<'_>, package: &str) -> bool {
    let Some(packages) = service.element(RLS_SERVICES, "packages") else { return true };
    let mut named = packages.elements_named(RLS_SERVICES, "package").map(|package| package.text());
    let is_it = |named: &str| named.trim() == package;
    named.any(|named| is_it(&named))
}

struct Reader<'a> {
    owner: &'a Address,
    documents: &'a BTreeMap<DocumentId, Document>,
    /// References that were followed.
    seen: BTreeSet<String>,
    members: Vec<Member>,
}

impl<'a> Reader<'a> {
    fn new(owner: &'a Address, documents: &'a BTreeMap<DocumentId, Document>) -> Self {
        Self { owner, documents, seen: BTreeSet::new(), members: Vec::new() }
    }

    /// The documents with services.
    fn services(&self) -> Vec<&'a Tree> {
        let ids = self.documents.keys().filter(|id| id.application == "rls-services");
        ids.filter_map(|id| self.tree(id)).collect()
    }

    fn service(&mut self, service: Element<'_>) {
        if let Some(list) = service.element(RLS_SERVICES, "list") {
            self.list(list, 0);
        }
        if let Some(list) = service.element(RLS_SERVICES, "resource-list") {
            self.follow(&unescape(list.text().trim()), 0);
        }
    }

    /// The members of a list; lists within it are part of it.
    fn list(&mut self, list: Element<'_>, depth: usize) {
        for child in list.elements().filter(|child| child.namespace() == Some(RESOURCE_LISTS)) {
            match child.name() {
                "entry" => self.entry(child),
                // As deep as a document may be.
                "list" => self.list(child, depth),
                "external" => {
                    if let Some(anchor) = child.attribute("anchor") {
                        self.follow(&unescape(&anchor), depth + 1);
                    }
                }
                "entry-ref" => {
                    if let Some(path) = child.attribute("ref") {
                        self.follow(&format!("/{}", unescape(&path)), depth + 1);
                    }
                }
                _ => {}
            }
        }
    }

    fn entry(&mut self, entry: Element<'_>) {
        let Some(uri) = entry.attribute("uri").filter(|_| self.members.len() < MEMBERS) else { return };
        let name = entry.element(RESOURCE_LISTS, "display-name").map(|name| {
            let lang = name.find_attribute(Some(XML), "lang").map(|lang| lang.value().as_ref().into());
            (name.text().trim().into(), lang)
        });
        self.members.push(Member { uri: uri.as_ref().into(), name });
    }

    /// Takes in the list or the entry that a reference leads to.
    fn follow(&mut self, reference: &str, depth: usize) {
        if depth > DEPTH || self.seen.len() >= REFERENCES || !self.seen.insert(reference.to_owned()) {
            return;
        }
        let Some((id, selector)) = self.target(reference) else { return };
        let Some(tree) = self.tree(&id) else { return };
        match selector.select(tree) {
            Some(Selected::Element(found)) if found.is(RESOURCE_LISTS, "entry") => self.entry(found),
            Some(Selected::Element(found)) => self.list(found, depth),
            _ => {}
        }
    }

    /// Reads `…/resource-lists/users/<owner>/<name>/~~/<selector>`, behind whatever host and root.
    fn target(&self, reference: &str) -> Option<(DocumentId, Selector)> {
        let path = reference.split_once("://").map_or(reference, |(_, rest)| rest);
        let (document, selector) = path.split_once("/~~/")?;
        let segments: Vec<&str> = document.split('/').collect();
        let is_start = |two: &[&str]| matches!(two, [first, second] if *first == LISTS && *second == "users");
        let at = segments.windows(2).position(is_start)?;
        let name = segments.get(at + 3..).filter(|name| !name.is_empty())?.join("/");
        if read_entity(segments.get(at + 2)?) != Entity::Account(self.owner.clone()) {
            return None;
        }
        let (selector, query) = selector.split_once('?').map_or((selector, None), |(s, q)| (s, Some(q)));
        let selector = Selector::parse(selector, query, Some(RESOURCE_LISTS)).ok()?;
        Some((DocumentId::new(LISTS, &name), selector))
    }

    fn tree(&self, id: &DocumentId) -> Option<&'a Tree> {
        self.documents.get(id)?.tree().map(AsRef::as_ref)
    }
}

const LISTS: &str = "resource-lists";
const RLS_SERVICES: &str = "urn:ietf:params:xml:ns:rls-services";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// How many references may stand one behind another.
const DEPTH: usize = 8;
/// Most references that are followed for one list.
const REFERENCES: usize = 1000;
/// Most members of one list; what is listed behind them is left out.
const MEMBERS: usize = 4096;
