//! Rules in documents (RFC 4745, RFC 5025): what they mean for the account, and people in them.
//!
//! A rule that names people, asks nothing else and shows all or nothing says the same as an approval or a
//! block. It is kept as one: it counts for those people whom the account granted presence, or blocked, so that
//! taking an approval back by any protocol takes it back. The lists that mean the same count likewise.

mod people;
mod reference;

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;

pub(super) use people::{edit, read};
use reference::Reader;

use super::{Document, tree::Tree};
pub(super) use crate::formats::rules::RulesError;
use crate::{
    formats::{rules, xml::Limits},
    signal::{Address, Condition, DocumentId, Entity, Identity, Rule, Ruleset},
};

/// What rules decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Who may watch.
    Presence,
    /// Who may write. Whom such a rule names is neither approved nor blocked by it.
    Messages,
    /// Who may follow calls; likewise.
    Calls,
}

/// The rules of a document as the account keeps them: with the members of the lists that they name, as far as
/// those are the owner's, and people who are granted or blocked only as long as the account has them so.
///
/// # Errors
/// What is wrong with the document.
pub(super) fn ruleset(
    document: &Document,
    about: About,
    owner: &Address,
    documents: &BTreeMap<DocumentId, Document>,
) -> Result<Ruleset, RulesError> {
    let mut ruleset = document.rules().clone()?;
    for rule in ruleset.rules.iter_mut().filter(|_| about == About::Presence) {
        if let Some(condition) = as_fact(rule, owner) {
            rule.conditions.push(condition);
        }
    }
    let named =
        ruleset.rules.iter().flat_map(|rule| &rule.conditions).filter_map(|condition| match condition {
            Condition::ExternalList(anchors) => Some(anchors),
            _ => None,
        });
    let mut reader = Reader::new(owner, documents);
    let lists: BTreeMap<CompactString, BTreeSet<Entity>> =
        named.flatten().map(|anchor| (anchor.clone(), reader.members(anchor))).collect();
    ruleset.lists = lists;
    Ok(ruleset)
}

/// The rules of a document, the lists that they name without members.
///
/// # Errors
/// What is wrong with the document.
pub(super) fn parse(bytes: &[u8]) -> Result<Ruleset, RulesError> {
    rules::parse(bytes, &Limits { bytes: bytes.len(), nodes: NODES, ..Limits::default() })
}

/// The fact of the account that a rule about people stands for; `None` for any other rule.
fn as_fact(rule: &Rule, owner: &Address) -> Option<Condition> {
    let [Condition::Identity(people)] = rule.conditions.as_slice() else { return None };
    let is_person = |identity: &Identity| match identity {
        Identity::One(Entity::Account(address)) => address != owner && !address.is_domain(),
        _ => false,
    };
    if rule.view.is_some() || !people.iter().all(is_person) {
        return None;
    }
    match rule.handling? {
        crate::signal::Handling::Allow => Some(Condition::Granted),
        crate::signal::Handling::Block | crate::signal::Handling::PoliteBlock => Some(Condition::Blocked),
        crate::signal::Handling::Confirm => None,
    }
}

/// Whether a tree is a document of rules.
fn is_ruleset(tree: &Tree) -> bool {
    tree.root().is(COMMON_POLICY, "ruleset")
}

const COMMON_POLICY: &str = "urn:ietf:params:xml:ns:common-policy";
const PRES_RULES: &str = "urn:ietf:params:xml:ns:pres-rules";
/// Most elements and texts of a document.
const NODES: u32 = 128 * 1024;
