//! How the resources are that somebody follows.

use compact_str::{CompactString, format_compact};
use rustc_hash::FxHashSet;

use super::{
    Mode,
    wanted::{Place, Wanted},
};
use crate::{
    documents::{Document, Documents, Element, Selected, Selector, tag_of},
    formats::{
        percent::encode_path,
        xcap_diff::{Content, Resource, Resources, State},
    },
    signal::{Address, Reason, Reject},
};

/// Looks how everything is that was asked for. What is not there is left out, and so is what is more than
/// [`MOST`] resources.
///
/// # Errors
/// What the account refuses; where there is none nothing is there.
pub(in crate::sip) async fn gather(
    documents: &Documents,
    owner: &Address,
    (wanted, mode): (&[Wanted], Mode),
    root: &str,
) -> Result<Resources, Reject> {
    let index = match documents.index(owner).await {
        Ok(index) => index,
        Err(reject) if reject.reason == Reason::NotFound => Vec::new(),
        Err(reject) => return Err(reject),
    };
    let mut found = Found::default();
    for one in wanted {
        let Wanted { uri, place } = one;
        match place {
            Place::Document(id) => {
                if let Some(document) = documents.read(owner, id).await? {
                    found.push(uri.clone(), document_state(&document, mode));
                }
            }
            Place::Collection { between, prefix, .. } => {
                for id in index.iter().map(|(id, _)| id).filter(|id| one.has_document(id)) {
                    if found.is_full() {
                        break;
                    }
                    let Some(document) = documents.read(owner, id).await? else { continue };
                    let name = id.name.get(prefix.len()..).unwrap_or_default();
                    let selector = format_compact!("{uri}{between}{}", encode_path(name));
                    found.push(selector, document_state(&document, mode));
                }
            }
            Place::Node(id, selector) => {
                let document = documents.read(owner, id).await?;
                if let Some(state) = document.and_then(|document| node_state(&document, selector)) {
                    found.push(uri.clone(), state);
                }
            }
        }
    }
    Ok(Resources { root: root.into(), resources: found.resources })
}

/// What is there.
#[derive(Default)]
struct Found {
    resources: Vec<Resource>,
    selectors: FxHashSet<CompactString>,
}

impl Found {
    fn is_full(&self) -> bool {
        self.resources.len() >= MOST
    }

    /// RFC 5875 §4.7: what was named in two ways is told once where it has one name.
    fn push(&mut self, selector: CompactString, state: State) {
        if !self.is_full() && self.selectors.insert(selector.clone()) {
            self.resources.push(Resource { selector, state });
        }
    }
}

fn document_state(document: &Document, mode: Mode) -> State {
    let content = Content((mode != Mode::NoPatching).then(|| document.bytes.clone()));
    State::Document { tag: tag_of(&document.entry), content }
}

/// An element or attribute of a document; `None` where it is not there. Namespaces cannot be followed
/// (RFC 5875 §4.1).
fn node_state(document: &Document, selector: &Selector) -> Option<State> {
    match selector.select(document.tree()?)? {
        Selected::Element(element) => Some(State::Element {
            bindings: inherited(element),
            source: Some(element.source()).filter(|source| source.len() <= LARGEST).map(Into::into),
        }),
        Selected::Attribute(attribute) => Some(State::Attribute(attribute.value().as_ref().into())),
        Selected::Namespaces(_) => None,
    }
}

/// The namespaces that hold for an element and that it does not declare itself.
pub(super) fn inherited(element: Element<'_>) -> Vec<(CompactString, CompactString)> {
    let bindings = element.bindings().into_iter();
    let is_own = |prefix: &str| element.declarations().any(|(own, _)| own == prefix);
    let wanted = bindings.filter(|(prefix, _)| !is_own(prefix) && *prefix != "xml");
    wanted.map(|(prefix, namespace)| (prefix.into(), namespace.into())).collect()
}

/// Largest element whose content is told, in bytes; of a larger one it is told that it is there.
const LARGEST: usize = 16 * 1024;
/// Most resources of one subscription with what its collections have.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_told_once_and_so_many_at_most() {
        let mut found = Found::default();
        for number in 0..MOST + 9 {
            for _ in 0..2 {
                found.push(format_compact!("{number}"), State::Attribute("x".into()));
            }
        }
        assert_eq!(found.resources.len(), MOST);
        let last = found.resources.last().map(|resource| resource.selector.clone());
        assert_eq!(last, Some(format_compact!("{}", MOST - 1)));
    }
}
