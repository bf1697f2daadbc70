//! Keeps documents and account in step: what a change of a document means for the account, and what the account
//! means for the documents. Pure: the door of the room reads, asks and tries again.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    Document,
    contacts::{self, Told, Wanted},
    document::limits,
    icon,
    rules::{self, About},
    senders,
    tree::{Edits, Tree},
};
use crate::{
    account::{FactChange, Facts},
    formats::{
        pidf,
        rules::{RulesError, print},
        xml,
    },
    signal::{
        Address, DocumentId, Native, Presence, Reason, Reject, Resource, ResourceState, Ruleset, Snapshot,
        Timestamp,
    },
};

/// All documents of an account.
pub(super) type All = BTreeMap<DocumentId, Document>;

/// Why a document is none that the account can follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("rules cannot be followed: {0}")]
    Rules(#[from] RulesError),
    #[error("the document is no list of people that can be read")]
    Lists,
    #[error("presence cannot be shown: {0}")]
    Presence(#[from] pidf::PidfError),
    #[error("picture cannot be shown: {0}")]
    Icon(#[from] icon::NoPicture),
}

impl Unfit {
    /// The refusal that says so.
    pub(super) fn reject(&self) -> Reject {
        Reject::with_text(Reason::NotAcceptable, &self.to_string())
    }
}

/// What of a document whoever changed it named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it: what it does not say any more he may never have known.
    Whole,
    /// The parts that are other ones now.
    Parts,
}

/// What is to be changed so that documents and account say the same.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Step {
    /// Documents with their new bytes; without, they are removed.
    pub(super) documents: Vec<(DocumentId, Option<Bytes>)>,
    pub(super) facts: Vec<FactChange>,
}

impl Step {
    pub(super) fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.facts.is_empty()
    }
}

/// What a change of one of the documents from `old` to `new` means for the account.
///
/// # Errors
/// The document that changed is none that the account can follow.
pub(super) fn take(
    owner: &Address,
    facts: &Facts,
    (old, new, extent): (&All, &All, Extent),
    now: Timestamp,
) -> Result<Vec<FactChange>, Unfit> {
    let changed = |id: &DocumentId| match (old.get(id), new.get(id)) {
        (Some(old), Some(new)) => !old.is_like(new),
        (old, new) => old.is_some() != new.is_some(),
    };
    let mut changes = Vec::new();
    if changed(&LISTS) || changed(&RULES) {
        let is_read = tree(new, &LISTS).is_some_and(contacts::is_lists);
        if new.contains_key(&LISTS) && !is_read {
            return Err(Unfit::Lists);
        }
        changes.extend(contacts::changes(&told(owner, old), &told(owner, new), facts));
    }
    let has_lists = new.keys().chain(old.keys()).any(|id| id.application == LISTS.application && changed(id));
    if has_lists || changed(&RULES) {
        let ruleset = derived(owner, new)?;
        if ruleset.as_ref() != facts.rules.as_deref() {
            changes.push(FactChange::Rules(ruleset.map(Arc::new)));
        }
    }
    if changed(&MESSAGE_RULES) || (has_lists && new.contains_key(&MESSAGE_RULES)) {
        let ruleset = message_rules(owner, facts, new)?;
        if ruleset.as_ref() != facts.message_rules.as_deref() {
            changes.push(FactChange::MessageRules(ruleset.map(Arc::new)));
        }
    }
    if changed(&MESSAGE_RULES) {
        let (old, new) = (tree(old, &MESSAGE_RULES), tree(new, &MESSAGE_RULES));
        let choice = match extent {
            Extent::Parts => senders::read(new, owner, facts),
            Extent::Whole => senders::read_whole(old, new, owner, facts),
        };
        if choice != facts.accepted_senders {
            changes.push(FactChange::AcceptedSenders(choice));
        }
    }
    if changed(&CALL_RULES) || (has_lists && new.contains_key(&CALL_RULES)) {
        let ruleset = call_rules(owner, new)?;
        if ruleset.as_ref() != facts.call_rules.as_deref() {
            changes.push(FactChange::CallRules(ruleset.map(Arc::new)));
        }
    }
    if changed(&HARD_STATE) {
        let state = new.get(&HARD_STATE).map(|document| hard_state(&document.bytes, now)).transpose()?;
        changes.push(FactChange::HardState(state.map(Arc::new)));
    }
    if changed(&icon::ICON) {
        changes.extend(icon::taken(facts, new)?);
    }
    Ok(changes)
}

/// What has to be done so that the documents say what the account does.
pub(super) fn keep(owner: &Address, facts: &Facts, documents: &All, lists_url: &str, now: Timestamp) -> Step {
    let mut step = Step::default();
    let told = told(owner, documents);
    if !documents.contains_key(&LISTS) || !contacts::agree(&told, facts) {
        let wanted = Wanted::of(facts);
        if !documents.contains_key(&LISTS) && !wanted.is_empty() {
            begin(owner, &wanted, documents, lists_url, &mut step);
        }
        keep_people(owner, &told, &wanted, documents, &mut step);
    } else {
        debug_assert!(
            {
                let mut edited = Step::default();
                keep_people(owner, &told, &Wanted::of(facts), documents, &mut edited);
                edited.is_empty()
            },
            "what agrees needs no edit"
        );
    }
    if !documents.contains_key(&RULES)
        && let Some(rules) = &facts.rules
    {
        step.documents.push((RULES.clone(), Some(print(rules).into())));
    }
    if documents.contains_key(&MESSAGE_RULES) {
        edit(owner, documents, &MESSAGE_RULES, &mut step, &|tree, edits| {
            senders::edit(tree, owner, facts, edits);
        });
    } else if let Some(rules) = senders::print(owner, facts) {
        step.documents.push((MESSAGE_RULES.clone(), Some(rules.into())));
    }
    if let Ok(ruleset) = derived(owner, documents)
        && documents.contains_key(&RULES)
        && ruleset.as_ref() != facts.rules.as_deref()
    {
        step.facts.push(FactChange::Rules(ruleset.map(Arc::new)));
    }
    if let Ok(Some(ruleset)) = message_rules(owner, facts, documents)
        && Some(&ruleset) != facts.message_rules.as_deref()
    {
        step.facts.push(FactChange::MessageRules(Some(Arc::new(ruleset))));
    }
    if let Ok(ruleset) = call_rules(owner, documents)
        && ruleset.as_ref() != facts.call_rules.as_deref()
    {
        step.facts.push(FactChange::CallRules(ruleset.map(Arc::new)));
    }
    keep_hard_state(owner, facts, documents, now, &mut step);
    step
}

/// The first documents of an account that has contacts. Where there are lists already, a client decides which
/// service it wants.
fn begin(owner: &Address, wanted: &Wanted, documents: &All, lists_url: &str, step: &mut Step) {
    let empty = contacts::print_lists(wanted, lists_url);
    let mut told = Told::default();
    let full = Tree::parse(&empty, &limits()).ok().and_then(|tree| {
        contacts::read(&tree, owner, &mut told);
        let mut edits = Edits::of(&tree);
        contacts::edit(&tree, owner, &told, wanted, &mut edits);
        edits.apply(&limits()).ok()
    });
    let Some(full) = full else { return };
    step.documents.push((LISTS.clone(), Some(full.into_bytes())));
    if !documents.contains_key(&SERVICES) {
        let services = contacts::print_services(owner, lists_url);
        step.documents.push((SERVICES.clone(), Some(services.into())));
    }
}

fn keep_people(owner: &Address, told: &Told, wanted: &Wanted, documents: &All, step: &mut Step) {
    edit(owner, documents, &LISTS, step, &|tree, edits| contacts::edit(tree, owner, told, wanted, edits));
    edit(owner, documents, &RULES, step, &|tree, edits| rules::edit(tree, owner, told, wanted, edits));
}

/// Edits a document, where it is there.
fn edit(
    owner: &Address,
    documents: &All,
    id: &DocumentId,
    step: &mut Step,
    edit: &dyn for<'a> Fn(&'a Tree, &mut Edits<'a>),
) {
    let Some(tree) = tree(documents, id) else { return };
    let mut edits = Edits::of(tree);
    edit(tree, &mut edits);
    if edits.is_empty() {
        return;
    }
    match edits.apply(&limits()) {
        Ok(edited) if edited.as_str() != tree.as_str() => {
            step.documents.push((id.clone(), Some(edited.into_bytes())));
        }
        Ok(_) => {}
        Err(fault) => tracing::error!(account = %owner, document = %id, %fault, "document stays behind"),
    }
}

fn keep_hard_state(owner: &Address, facts: &Facts, documents: &All, now: Timestamp, step: &mut Step) {
    let document = documents.get(&HARD_STATE);
    let said = document.and_then(|document| hard_state(&document.bytes, now).ok());
    match (&facts.hard_state, document) {
        (None, Some(_)) if said.is_some() => step.documents.push((HARD_STATE.clone(), None)),
        (Some(state), _) if said.as_ref().is_none_or(|said| said.native != state.native) => {
            let Some(bytes) = print_hard_state(owner, state) else { return };
            // From now on it is what the document says.
            if let Ok(state) = hard_state(&bytes, state.since) {
                step.facts.push(FactChange::HardState(Some(Arc::new(state))));
            }
            step.documents.push((HARD_STATE.clone(), Some(bytes)));
        }
        _ => {}
    }
}

/// What the documents tell of people.
fn told(owner: &Address, documents: &All) -> Told {
    let mut told = Told::default();
    for document in [&LISTS, &RULES].into_iter().filter_map(|id| documents.get(id)) {
        told.add(document.people(owner));
    }
    told
}

fn derived(owner: &Address, documents: &All) -> Result<Option<Ruleset>, RulesError> {
    let rules = |document: &Document| rules::ruleset(document, About::Presence, owner, documents);
    documents.get(&RULES).map(rules).transpose()
}

/// The rules on who may write, without the one that is the preference for senders.
fn message_rules(owner: &Address, facts: &Facts, documents: &All) -> Result<Option<Ruleset>, RulesError> {
    let Some(document) = documents.get(&MESSAGE_RULES) else { return Ok(None) };
    let mut ruleset = rules::ruleset(document, About::Messages, owner, documents)?;
    let preference = tree(documents, &MESSAGE_RULES).and_then(|tree| senders::rule_id(tree, owner, facts));
    ruleset.rules.retain(|rule| Some(rule.id.as_str()) != preference.as_deref());
    Ok(Some(ruleset))
}

/// The rules on who may follow calls; nothing but the document tells them.
fn call_rules(owner: &Address, documents: &All) -> Result<Option<Ruleset>, RulesError> {
    let rules = |document: &Document| rules::ruleset(document, About::Calls, owner, documents);
    documents.get(&CALL_RULES).map(rules).transpose()
}

/// The state that a document means, which goes with it to those who understand such documents.
fn hard_state(bytes: &Bytes, now: Timestamp) -> Result<Presence, pidf::PidfError> {
    let limits = xml::Limits { bytes: bytes.len(), ..xml::Limits::default() };
    let presence = pidf::Document::parse(bytes, &limits)?.presence(now);
    let native =
        Native::Mime { content_type: pidf::MEDIA_TYPE.into(), headers: Vec::new(), body: bytes.clone() };
    Ok(Presence { native, ..presence })
}

/// A state that came from elsewhere, as a document.
fn print_hard_state(owner: &Address, state: &Presence) -> Option<Bytes> {
    if let Native::Mime { content_type, body, .. } = &state.native
        && content_type.eq_ignore_ascii_case(pidf::MEDIA_TYPE)
    {
        return Some(body.clone());
    }
    let speaker = ResourceState {
        resource: Resource::new("offline").ok()?,
        contact: None,
        takes_messages: false,
        takes_calls: false,
        presence: Arc::new(state.clone()),
    };
    let (of, aggregate) = (owner.clone(), Arc::new(state.clone()));
    let snapshot = Snapshot { of, aggregate, resources: vec![speaker], picture: None };
    Some(
        pidf::Format::Pidf
            .print(&pidf::compose(&snapshot, &format!("sip:{}", owner.with_ascii_domain())))
            .into(),
    )
}

fn tree<'a>(documents: &'a All, id: &DocumentId) -> Option<&'a Tree> {
    documents.get(id)?.tree().map(AsRef::as_ref)
}

static LISTS: DocumentId = DocumentId::of("resource-lists");
static SERVICES: DocumentId = DocumentId::of("rls-services");
pub(super) static RULES: DocumentId = DocumentId::of("pres-rules");
static MESSAGE_RULES: DocumentId = DocumentId::of("im-rules");
static CALL_RULES: DocumentId = DocumentId::of("org.openxcap.dialog-rules");
static HARD_STATE: DocumentId = DocumentId::of("pidf-manipulation");
