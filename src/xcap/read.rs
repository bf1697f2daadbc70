//! GET and HEAD (RFC 4825 §8.3).

use axum::{http::StatusCode, response::Response};
use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use sha2::{Digest as _, Sha256};

use super::{
    answer::{Outcome, Refusal, content, empty},
    computed,
    condition::{Conditions, Verdict},
    door::{Admitted, Shared},
    path::{Owner, Resource},
    write::{ATTRIBUTE, ELEMENT},
};
use crate::{
    documents::{Document, Origin, Selected, Selector, Tree, TreeLimits},
    signal::{Address, DocumentId},
};

/// A document as it is served.
enum Found {
    /// One that a client put, or the account.
    Stored(Document),
    /// One that was made just now.
    Computed(Bytes),
}

/// Answers with a document, or with a node of it.
pub(super) async fn read(
    shared: &Shared,
    admitted: &Admitted<'_>,
    conditions: &Conditions,
    base: &str,
) -> Outcome<Response> {
    let Admitted { resource, selector, who } = admitted;
    let found = find(shared, resource, who.as_ref(), base).await?.ok_or(Refusal::NOT_FOUND)?;
    let tag = found.tag();
    let (media_type, bytes) = match selector {
        None => (resource.application.media_type, found.into_bytes()),
        Some(selector) => found.node(selector, &shared.limits())?,
    };
    match conditions.check(Some(&tag)) {
        Verdict::Proceed => Ok(content(StatusCode::OK, Some(&tag), media_type, bytes)),
        Verdict::Known => Ok(empty(StatusCode::NOT_MODIFIED, Some(&tag))),
        Verdict::Failed => Err(Refusal::Precondition(Some(tag.into()))),
    }
}

async fn find(
    shared: &Shared,
    resource: &Resource<'_>,
    who: Option<&Address>,
    base: &str,
) -> Outcome<Option<Found>> {
    match &resource.tree {
        Owner::User(owner) if !shared.accounts.serves(owner.domain()) => {
            let Some(who) = who else { return Ok(None) };
            Ok(computed::picture(shared, who, owner).await?.map(Found::Computed))
        }
        Owner::User(owner) if resource.application.origin == Origin::Stored => {
            let id = DocumentId::new(resource.application.stored_as, &resource.name);
            let document = shared.documents.read(owner, &id).await?;
            Ok(document.map(Found::Stored))
        }
        _ => {
            let document = computed::document(shared, resource, base).await?;
            Ok(document.map(Found::Computed))
        }
    }
}

impl Found {
    /// The entity tag, with its quotes.
    fn tag(&self) -> CompactString {
        match self {
            Self::Stored(document) => document.etag(),
            Self::Computed(bytes) => tag_of(bytes),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Stored(document) => document.bytes,
            Self::Computed(bytes) => bytes,
        }
    }

    /// The node that is asked for, and its type.
    fn node(&self, selector: &Selector, limits: &TreeLimits) -> Outcome<(&'static str, Bytes)> {
        // Whatever stands in the store was read before it was put there, and what is made here can be read.
        let found = match self {
            Self::Stored(document) => node(selector, document.tree().ok_or(Refusal::INTERNAL)?),
            Self::Computed(bytes) => {
                node(selector, &Tree::parse(bytes, limits).map_err(|_| Refusal::INTERNAL)?)
            }
        };
        found.ok_or(Refusal::NOT_FOUND)
    }
}

/// The node that is asked for, and its type.
fn node(selector: &Selector, tree: &Tree) -> Option<(&'static str, Bytes)> {
    Some(match selector.select(tree)? {
        Selected::Element(element) => (ELEMENT, Bytes::copy_from_slice(element.source().as_bytes())),
        Selected::Attribute(attribute) => (ATTRIBUTE, Bytes::copy_from_slice(attribute.quoted().as_bytes())),
        Selected::Namespaces(element) => (BINDINGS, Bytes::from(element.print_bindings())),
    })
}

/// The tag of what is made anew each time: the same for the same bytes.
fn tag_of(bytes: &[u8]) -> CompactString {
    let digest = Sha256::digest(bytes);
    let hash = digest.iter().take(12).fold(0_u128, |hash, byte| hash << 8 | u128::from(*byte));
    format_compact!("\"{hash:x}\"")
}

const BINDINGS: &str = "application/xcap-ns+xml";
