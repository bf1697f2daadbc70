//! Putting an element into a tree without reading all of the document anew: what stands before it stays as it is,
//! what stands behind it is moved.
//!
//! The element was read as strictly as it would be in its place ([`Tree::parse_fragment`]), so what comes out
//! is the tree that reading gives, which the tests hold against it. Where that takes more than moving, such as
//! new namespace declarations, the answer is none: then the whole is read.

use std::ops::Range;

use super::{
    Element, Tree, TreeLimits,
    arena::{AttributeData, Kind, Namespace, NodeData, QName, Span, Text, number},
    insert::Place,
};

/// Where an element goes in the bytes and in the list of nodes, and what it takes the place of.
struct Gap {
    parent: u32,
    bytes: Range<usize>,
    nodes: Range<u32>,
}

/// The tree with `new`, which was read for this parent, in the place of `old`.
pub(super) fn replace(tree: &Tree, old: Element<'_>, new: &Tree, limits: &TreeLimits) -> Option<Tree> {
    let end = tree.nodes.get(old.id as usize)?.end;
    let gap = Gap { parent: old.parent()?.id, bytes: old.span(), nodes: old.id..end };
    fill(tree, gap, new, limits)
}

/// The tree with `new`, which was read for this parent, in a new place.
pub(super) fn insert(
    tree: &Tree,
    parent: Element<'_>,
    place: Place<'_>,
    new: &Tree,
    limits: &TreeLimits,
) -> Option<Tree> {
    let end = |id: u32| tree.nodes.get(id as usize).map(|node| node.end);
    let (at, node) = match place {
        Place::Last if parent.data()?.is_empty_tag => return None,
        Place::Last => (parent.content_span().end, end(parent.id)?),
        Place::Before(sibling) => (sibling.span().start, sibling.id),
        Place::After(sibling) => (sibling.span().end, end(sibling.id)?),
    };
    fill(tree, Gap { parent: parent.id, bytes: at..at, nodes: node..node }, new, limits)
}

fn fill(tree: &Tree, gap: Gap, new: &Tree, limits: &TreeLimits) -> Option<Tree> {
    let parent = Element { tree, id: gap.parent };
    let scope = scope(parent);
    if new.declarations.len() != scope.len() || !is_within(tree, parent, &gap, new, limits) {
        return None;
    }
    let attributes = attributes_before(tree, gap.nodes.start)..attributes_before(tree, gap.nodes.end);
    let declarations = declarations_before(tree, gap.nodes.start);
    if declarations != declarations_before(tree, gap.nodes.end) {
        return None;
    }
    let source = new.root().span();
    let inner = Shift {
        bytes: signed(gap.bytes.start) - signed(source.start),
        nodes: i64::from(gap.nodes.start),
        attributes: signed(attributes.start),
        from: 0,
    };
    let outer = Shift {
        bytes: signed(source.len()) - signed(gap.bytes.len()),
        nodes: signed(new.nodes.len()) - i64::from(gap.nodes.end - gap.nodes.start),
        attributes: signed(new.attributes.len()) - signed(attributes.len()),
        from: gap.nodes.end,
    };
    let mut nodes = Vec::with_capacity(tree.nodes.len() + new.nodes.len());
    nodes.extend_from_slice(tree.nodes.get(..gap.nodes.start as usize)?);
    nodes.extend(new.nodes.iter().map(|node| inner.node(node)));
    nodes.extend(tree.nodes.get(gap.nodes.end as usize..)?.iter().map(|node| outer.node(node)));
    settle_inner(&mut nodes, &gap, new.nodes.len(), &scope, declarations);
    widen(&mut nodes, &gap, &outer);
    let mut all = Vec::with_capacity(tree.attributes.len() + new.attributes.len());
    all.extend_from_slice(tree.attributes.get(..attributes.start)?);
    all.extend(new.attributes.iter().map(|attribute| {
        let namespace = in_scope(attribute.namespace, &scope);
        AttributeData { namespace, ..inner.attribute(attribute) }
    }));
    all.extend(tree.attributes.get(attributes.end..)?.iter().map(|attribute| outer.attribute(attribute)));
    Some(Tree {
        text: text(tree, &gap, new)?,
        nodes,
        attributes: all,
        declarations: moved(tree, &gap, &outer),
    })
}

/// How far what is copied moves.
struct Shift {
    bytes: i64,
    nodes: i64,
    attributes: i64,
    /// Parents from this node on move along.
    from: u32,
}

impl Shift {
    fn span(&self, span: Span) -> Span {
        Span::new(shifted(span.start(), self.bytes), shifted(span.end(), self.bytes))
    }

    fn name(&self, name: QName) -> QName {
        QName { whole: self.span(name.whole), local: number(shifted(name.local as usize, self.bytes)) }
    }

    fn id(&self, id: u32) -> u32 {
        number(shifted(id as usize, self.nodes))
    }

    fn node(&self, node: &NodeData) -> NodeData {
        let parent = if node.parent >= self.from { self.id(node.parent) } else { node.parent };
        let mut kind = node.kind.clone();
        if let Kind::Element(element) = &mut kind {
            let move_index = |index: u32| number(shifted(index as usize, self.attributes));
            element.name = self.name(element.name);
            element.content = self.span(element.content);
            element.attributes = (move_index(element.attributes.0), move_index(element.attributes.1));
        }
        NodeData { kind, span: self.span(node.span), parent, end: self.id(node.end) }
    }

    fn attribute(&self, attribute: &AttributeData) -> AttributeData {
        let AttributeData { name, namespace, value, is_escaped } = *attribute;
        AttributeData { name: self.name(name), namespace, value: self.span(value), is_escaped }
    }
}

/// Gives the new nodes what a fragment cannot know: the parent, and what the declarations are here.
fn settle_inner(nodes: &mut [NodeData], gap: &Gap, count: usize, scope: &[u32], declarations: u32) {
    let start = gap.nodes.start as usize;
    for node in nodes.get_mut(start..start + count).unwrap_or_default() {
        if let Kind::Element(element) = &mut node.kind {
            element.namespace = in_scope(element.namespace, scope);
            element.declarations = (declarations, declarations);
        }
    }
    if let Some(root) = nodes.get_mut(start) {
        root.parent = gap.parent;
    }
}

/// Makes the elements around the gap as much longer as it became.
fn widen(nodes: &mut [NodeData], gap: &Gap, outer: &Shift) {
    let mut next = Some(gap.parent);
    while let Some(id) = next {
        let Some(node) = nodes.get_mut(id as usize) else { return };
        node.span = Span::new(node.span.start(), shifted(node.span.end(), outer.bytes));
        node.end = outer.id(node.end);
        if let Kind::Element(element) = &mut node.kind {
            element.content = Span::new(element.content.start(), shifted(element.content.end(), outer.bytes));
        }
        next = (node.parent != id).then_some(node.parent);
    }
}

fn moved(tree: &Tree, gap: &Gap, outer: &Shift) -> Vec<super::DeclarationData> {
    let move_text = |text: &Text| match text {
        Text::At(span) if span.start() >= gap.bytes.end => Text::At(outer.span(*span)),
        text => text.clone(),
    };
    let moved = tree.declarations.iter().map(|declared| super::DeclarationData {
        prefix: move_text(&declared.prefix),
        uri: move_text(&declared.uri),
    });
    moved.collect()
}

fn text(tree: &Tree, gap: &Gap, new: &Tree) -> Option<String> {
    let (before, behind) = (tree.text.get(..gap.bytes.start)?, tree.text.get(gap.bytes.end..)?);
    Some([before, new.root().source(), behind].concat())
}

/// Whether the whole stays within the limits.
fn is_within(tree: &Tree, parent: Element<'_>, gap: &Gap, new: &Tree, limits: &TreeLimits) -> bool {
    let deepest = new.root().descendants().map(Element::depth).max().unwrap_or_default();
    tree.text.len() - gap.bytes.len() + new.root().span().len() <= limits.bytes
        && tree.nodes.len() - gap.nodes.len() + new.nodes.len() <= limits.nodes
        && parent.depth() + deepest <= limits.depth
}

/// The declarations in scope within an element, in the order of [`Element::bindings`].
fn scope(parent: Element<'_>) -> Vec<u32> {
    let mut found: Vec<(&str, &str, u32)> = Vec::new();
    for element in std::iter::successors(Some(parent), |element| element.parent()) {
        let first = element.data().map_or(0, |data| data.declarations.0);
        for ((prefix, uri), id) in element.declarations().zip(first..) {
            if !found.iter().any(|(known, ..)| *known == prefix) {
                found.push((prefix, uri, id));
            }
        }
    }
    found.into_iter().filter(|(_, uri, _)| !uri.is_empty()).map(|(.., id)| id).collect()
}

/// What a declaration from outside of a fragment is in the tree.
fn in_scope(namespace: Namespace, scope: &[u32]) -> Namespace {
    match namespace {
        Namespace::Declared(index) => {
            scope.get(index as usize).copied().map_or(Namespace::None, Namespace::Declared)
        }
        other => other,
    }
}

/// How many attributes stand before a node.
fn attributes_before(tree: &Tree, node: u32) -> usize {
    let next = (node..number(tree.nodes.len())).find_map(|id| tree.element_data(id));
    next.map_or(tree.attributes.len(), |element| element.attributes.0 as usize)
}

/// How many declarations stand before a node.
fn declarations_before(tree: &Tree, node: u32) -> u32 {
    let next = (node..number(tree.nodes.len())).find_map(|id| tree.element_data(id));
    next.map_or_else(|| number(tree.declarations.len()), |element| element.declarations.0)
}

fn signed(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn shifted(value: usize, by: i64) -> usize {
    usize::try_from(signed(value) + by).unwrap_or_default()
}
