//! Lists that rules name, resolved by their path (RFC 4826 §3): the host of a reference is whatever name of this
//! server a client was told. Only the owner's own lists are followed, so deep and so far only, none twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    documents::{
        Document,
        contacts::{BLOCKED_LIST, GRANTED_LIST, RESOURCE_LISTS},
        tree::{Element, Selected, Selector},
    },
    formats::{percent::unescape, rules::read_entity},
    signal::{Address, DocumentId, Entity},
};

/// Follows references into the owner's lists.
pub(super) struct Reader<'a> {
    owner: &'a Address,
    documents: &'a BTreeMap<DocumentId, Document>,
    /// Members and references that may still be looked at.
    budget: usize,
}

/// Where a reference leads to.
struct Target {
    id: DocumentId,
    selector: Selector,
}

impl<'a> Reader<'a> {
    pub(super) fn new(owner: &'a Address, documents: &'a BTreeMap<DocumentId, Document>) -> Self {
        Self { owner, documents, budget: MEMBERS }
    }

    /// Who is in the list that an anchor leads to. The lists of those who are granted or blocked say only
    /// that: the account knows who they are.
    pub(super) fn members(&mut self, anchor: &str) -> BTreeSet<Entity> {
        let mut members = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![(unescape(anchor).into_owned(), 0)];
        while let Some((reference, depth)) = open.pop() {
            if depth > DEPTH || self.budget == 0 || !seen.insert(reference.clone()) {
                continue;
            }
            self.budget -= 1;
            let Some(target) = self.target(&reference) else { continue };
            let Some(tree) = self.documents.get(&target.id).and_then(Document::tree) else { continue };
            let Some(Selected::Element(element)) = target.selector.select(tree) else { continue };
            let mut found = Found::default();
            found.look_into(element);
            let taken = found.members.len().min(self.budget);
            self.budget -= taken;
            members.extend(found.members.into_iter().take(taken));
            open.extend(found.references.into_iter().map(|reference| (reference, depth + 1)));
        }
        members
    }

    /// Reads `…/resource-lists/users/<owner>/<name>/~~/<selector>`, behind whatever host and root.
    fn target(&self, reference: &str) -> Option<Target> {
        let path = reference.split_once("://").map_or(reference, |(_, rest)| rest);
        let (document, selector) = path.split_once("/~~/")?;
        let segments: Vec<_> = document.split('/').map(unescape).collect();
        let at = segments
            .windows(2)
            .position(|two| matches!(two, [first, second] if first == APPLICATION && second == "users"))?;
        let user = segments.get(at + 2)?;
        let name = segments.get(at + 3..).filter(|name| !name.is_empty())?.join("/");
        if read_entity(user) != Entity::Account(self.owner.clone()) {
            return None;
        }
        let (selector, query) = selector.split_once('?').map_or((selector, None), |(s, q)| (s, Some(q)));
        let selector = Selector::parse(selector, query, Some(RESOURCE_LISTS)).ok()?;
        Some(Target { id: DocumentId::new(APPLICATION, &name), selector })
    }
}

/// What a list holds.
#[derive(Default)]
struct Found {
    members: Vec<Entity>,
    references: Vec<String>,
}

impl Found {
    fn look_into(&mut self, element: Element<'_>) {
        let is_outermost = element.parent().is_some_and(|parent| parent.parent().is_none());
        let name = element.attribute("name");
        if is_outermost && name.as_deref() == Some(GRANTED_LIST) {
            return self.members.push(Entity::Granted);
        }
        if is_outermost && name.as_deref() == Some(BLOCKED_LIST) {
            return self.members.push(Entity::Blocked);
        }
        for one in element.descendants().filter(|one| one.namespace() == Some(RESOURCE_LISTS)) {
            match one.name() {
                "entry" => self.members.extend(one.attribute("uri").map(|uri| read_entity(&uri))),
                "external" => self
                    .references
                    .extend(one.attribute("anchor").map(|anchor| unescape(&anchor).into_owned())),
                "entry-ref" => {
                    // Relative to the root.
                    self.references.extend(one.attribute("ref").map(|path| format!("/{}", unescape(&path))));
                }
                _ => {}
            }
        }
    }
}

const APPLICATION: &str = "resource-lists";
/// How many references may stand one behind another.
const DEPTH: usize = 8;
/// Most members and references of all lists that the rules of one account name.
const MEMBERS: usize = 10_000;
