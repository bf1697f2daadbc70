//! PUT and DELETE (RFC 4825 §8.2, §8.4): decided on the document as it is, in one step with its change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    http::{HeaderMap, Method, StatusCode, header, request},
    response::Response,
};
use bytes::Bytes;

use super::{
    answer::{Outcome, Refusal, empty},
    computed::{Taken, Wishes},
    condition::{Conditions, Verdict},
    door::{Admitted, Shared, base},
    path::{Owner, Resource},
};
use crate::{
    documents::{
        Change, ChangeError, Conflict, Context, Document, NodeEditError, Selector, Terminal, Tree, TreeLimits,
    },
    formats::percent::encode_path,
    signal::{Address, DocumentId},
};

/// Does what a request asks that may change a document.
pub(super) async fn write(
    shared: &Shared,
    parts: &request::Parts,
    admitted: &Admitted<'_>,
    conditions: &Conditions,
    content: Bytes,
) -> Outcome<Response> {
    let Admitted { resource, selector, .. } = admitted;
    let Owner::User(owner) = &resource.tree else { return Err(Refusal::INTERNAL) };
    let content = match parts.method {
        Method::PUT => {
            check_type(&parts.headers, expected_type(resource, selector.as_ref()))?;
            Some(content)
        }
        _ => None,
    };
    let edit = Edit {
        resource,
        owner,
        selector: selector.as_ref(),
        conditions,
        limits: shared.limits(),
        taken: None,
        asked: Mutex::default(),
    };
    let here = format!("{}{}", base(parts), resource.written);
    let refuse = |refusal: Refusal| refusal.at(&here, parts.uri.query());
    match edit.run(shared, content.as_ref()).await {
        Err(Refusal::Undecided) => {
            let wanted = std::mem::take(&mut *edit.asked());
            let id = edit.id();
            // Held until the change is durable.
            let (_own_claim, own_claimed) = shared.own_claims.claim((owner, &id.name), &wanted.own);
            let (_claim, claimed) = shared.claims.claim((owner, &id.name), &wanted.foreign);
            let taken = Taken::gather(shared, (owner, &id), &wanted).await?.and(own_claimed).and(claimed);
            let taken = Some(taken);
            Edit { taken, ..edit }.run(shared, content.as_ref()).await.map_err(refuse)
        }
        outcome => outcome.map_err(refuse),
    }
}

/// Whether something was there before.
struct IsNew(bool);

/// What a change is decided by.
struct Edit<'a> {
    resource: &'a Resource<'a>,
    owner: &'a Address,
    selector: Option<&'a Selector>,
    conditions: &'a Conditions,
    limits: TreeLimits,
    /// `None` where nobody was asked yet.
    taken: Option<Taken>,
    /// Addresses of which it matters whether another document has them.
    asked: Mutex<Wishes>,
}

impl Edit<'_> {
    /// # Errors
    /// [`Refusal::Undecided`] where others have to be asked about addresses first.
    async fn run(&self, shared: &Shared, content: Option<&Bytes>) -> Outcome<Response> {
        let id = self.id();
        let mut is_new = false;
        let decide = |before: Option<&Document>| {
            let (change, IsNew(created)) = match content {
                Some(content) => self.put(before, content)?,
                None => (self.delete(before)?, IsNew(false)),
            };
            is_new = created;
            Ok::<_, Refusal>(change)
        };
        let changed =
            shared.documents.change(self.owner, &id, decide).await.map_err(|fault| match fault {
                ChangeError::Edit(refusal) => refusal,
                ChangeError::Rejected(reject) => reject.into(),
            })?;
        let tag = changed.after.map(|document| document.etag());
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        Ok(empty(status, tag.as_deref()))
    }

    fn id(&self) -> DocumentId {
        DocumentId::new(self.resource.application.stored_as, &self.resource.name)
    }

    fn asked(&self) -> MutexGuard<'_, Wishes> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, before: Option<&Document>, content: &Bytes) -> Outcome<(Change, IsNew)> {
        self.check(before)?;
        let Some(selector) = self.selector else {
            let tree = Tree::parse(content, &self.limits)?;
            self.validate(&tree)?;
            return Ok((change(before, tree, Change::Write), IsNew(before.is_none())));
        };
        let Some(document) = before else { return Err(Conflict::NoParent { ancestor: None }.into()) };
        let tree = parse(document)?;
        let edited = selector.put(tree, content, &self.limits).map_err(|fault| match fault {
            NodeEditError::NoParent => Conflict::NoParent { ancestor: selector.existing_part(tree) }.into(),
            fault => Refusal::from(fault),
        })?;
        self.validate(&edited.tree)?;
        let extent = if selector.is_root() { Change::Write } else { Change::Edit };
        Ok((change(before, edited.tree, extent), IsNew(edited.is_new)))
    }

    fn delete(&self, before: Option<&Document>) -> Outcome<Change> {
        let document = before.ok_or(Refusal::NOT_FOUND)?;
        let Some(selector) = self.selector else {
            self.check(before)?;
            return Ok(Change::Remove);
        };
        let tree = parse(document)?;
        selector.select(tree).ok_or(Refusal::NOT_FOUND)?;
        self.check(before)?;
        let changed = selector.remove(tree, &self.limits)?;
        self.validate(&changed)?;
        Ok(Change::Edit(changed.into()))
    }

    fn check(&self, before: Option<&Document>) -> Outcome<()> {
        let tag = before.map(Document::etag);
        match self.conditions.check(tag.as_deref()) {
            Verdict::Proceed => Ok(()),
            Verdict::Known | Verdict::Failed => Err(Refusal::Precondition(tag.map(|tag| tag.to_string()))),
        }
    }

    fn validate(&self, tree: &Tree) -> Outcome<()> {
        let is_taken = |uri: &str| match &self.taken {
            Some(taken) => taken.has(uri),
            None => {
                self.asked().add(self.owner, uri);
                false
            }
        };
        let context = Context { owner: self.owner, is_taken: &is_taken };
        self.resource.application.validate(tree, &context)?;
        if self.asked().is_empty() { Ok(()) } else { Err(Refusal::Undecided) }
    }
}

/// A document that is put as it was has not changed, and keeps its tag.
fn change(before: Option<&Document>, tree: Tree, extent: fn(Arc<Tree>) -> Change) -> Change {
    match before {
        Some(document) if document.bytes == tree.as_str() => Change::Keep,
        _ => extent(tree.into()),
    }
}

/// What stands in the store was read before it was put there.
fn parse(document: &Document) -> Outcome<&Tree> {
    document.tree().map(AsRef::as_ref).ok_or(Refusal::INTERNAL)
}

/// The type that the content of a PUT must have (§8.2.2).
fn expected_type(resource: &Resource<'_>, selector: Option<&Selector>) -> &'static str {
    match selector.map(Selector::terminal) {
        None => resource.application.media_type,
        Some(Terminal::Element) => ELEMENT,
        Some(Terminal::Attribute(_) | Terminal::Namespaces) => ATTRIBUTE,
    }
}

/// Parameters of the type do not count.
fn check_type(headers: &HeaderMap, expected: &'static str) -> Outcome<()> {
    let written = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = written.and_then(|text| text.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case(expected)) {
        return Ok(());
    }
    Err(Refusal::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this is of another type than it has to be"))
}

impl Refusal {
    /// Makes the ancestor that is told a whole URI: the document's, and the node within it.
    fn at(self, document: &str, query: Option<&str>) -> Self {
        match self {
            Self::Conflict(Conflict::NoParent { ancestor: Some(part) }) => {
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                let ancestor = format!("{document}/~~/{}{query}", encode_path(&part));
                Self::Conflict(Conflict::NoParent { ancestor: Some(ancestor) })
            }
            other => other,
        }
    }
}

pub(super) const ELEMENT: &str = "application/xcap-el+xml";
pub(super) const ATTRIBUTE: &str = "application/xcap-att+xml";
