//! GET and HEAD (RFC 4825 §8.3).

use axum::{http::StatusCode, response::Response};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{
    answer::{Outcome, Refusal, content, empty},
    computed,
    condition::{Conditions, Verdict},
    door::Shared,
    path::{Owner, Resource},
    write::{ATTRIBUTE, ELEMENT},
};
use crate::{
    documents::{Origin, Selected, Selector, Tree},
    signal::DocumentId,
};

/// A document as it is served.
struct Found {
    bytes: Bytes,
    /// With its quotes.
    tag: String,
}

/// Answers with a document, or with a node of it.
pub(super) async fn read(
    shared: &Shared,
    resource: &Resource<'_>,
    selector: Option<&Selector>,
    conditions: &Conditions,
    base: &str,
) -> Outcome<Response> {
    let Found { bytes, tag } = find(shared, resource, base).await?.ok_or(Refusal::NOT_FOUND)?;
    let (media_type, bytes) = match selector {
        None => (resource.application.media_type, bytes),
        Some(selector) => {
            // Whatever stands in the store was read before it was put there.
            let tree = Tree::parse(&bytes, &shared.limits()).map_err(|_| Refusal::INTERNAL)?;
            node(selector, &tree).ok_or(Refusal::NOT_FOUND)?
        }
    };
    match conditions.check(Some(&tag)) {
        Verdict::Proceed => Ok(content(StatusCode::OK, Some(&tag), media_type, bytes)),
        Verdict::Known => Ok(empty(StatusCode::NOT_MODIFIED, Some(&tag))),
        Verdict::Failed => Err(Refusal::Precondition(Some(tag))),
    }
}

async fn find(shared: &Shared, resource: &Resource<'_>, base: &str) -> Outcome<Option<Found>> {
    match &resource.tree {
        Owner::User(owner) if resource.application.origin == Origin::Stored => {
            let id = DocumentId::new(resource.application.stored_as, &resource.name);
            let document = shared.documents.read(owner, &id).await?;
            Ok(document.map(|document| Found { tag: document.etag().to_string(), bytes: document.bytes }))
        }
        _ => {
            let document = computed::document(shared, resource, base).await?;
            Ok(document.map(|bytes| Found { tag: tag_of(&bytes), bytes }))
        }
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
fn tag_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hash = digest.iter().take(12).fold(0_u128, |hash, byte| hash << 8 | u128::from(*byte));
    format!("\"{hash:x}\"")
}

const BINDINGS: &str = "application/xcap-ns+xml";
