//! How the resources are that somebody follows.

use compact_str::{CompactString, format_compact};

use super::{
    Mode,
    wanted::{Place, Wanted},
};
use crate::{
    documents::{Document, Documents, Element, Selected, Selector, Tree, TreeLimits, tag_of},
    formats::{
        percent::encode_path,
        xcap_diff::{Content, Resource, Resources, State},
    },
    signal::{Address, Reason, Reject},
};

/// Looks how everything is that was asked for. What is not there is left out.
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
    let mut resources: Vec<Resource> = Vec::new();
    for one in wanted {
        let Wanted { uri, place } = one;
        match place {
            Place::Document(id) => {
                if let Some(document) = documents.read(owner, id).await? {
                    push(&mut resources, uri.clone(), document_state(&document, mode));
                }
            }
            Place::Collection { between, prefix, .. } => {
                for id in index.iter().map(|(id, _)| id).filter(|id| one.has_document(id)) {
                    let Some(document) = documents.read(owner, id).await? else { continue };
                    let name = id.name.get(prefix.len()..).unwrap_or_default();
                    let selector = format_compact!("{uri}{between}{}", encode_path(name));
                    push(&mut resources, selector, document_state(&document, mode));
                }
            }
            Place::Node(id, selector) => {
                let document = documents.read(owner, id).await?;
                if let Some(state) = document.and_then(|document| node_state(&document, selector)) {
                    push(&mut resources, uri.clone(), state);
                }
            }
            Place::Nothing => {}
        }
    }
    Ok(Resources { root: root.into(), resources })
}

/// RFC 5875 §4.7: what was named in two ways is told once where it has one name.
fn push(resources: &mut Vec<Resource>, selector: CompactString, state: State) {
    if resources.iter().all(|known| known.selector != selector) {
        resources.push(Resource { selector, state });
    }
}

fn document_state(document: &Document, mode: Mode) -> State {
    let content = Content((mode != Mode::NoPatching).then(|| document.bytes.clone()));
    State::Document { tag: tag_of(&document.entry), content }
}

/// An element or attribute of a document; `None` where it is not there. Namespaces cannot be followed
/// (RFC 5875 §4.1).
fn node_state(document: &Document, selector: &Selector) -> Option<State> {
    let tree = Tree::parse(&document.bytes, &TreeLimits::default()).ok()?;
    match selector.select(&tree)? {
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
