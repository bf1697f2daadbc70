//! Where a new element goes among those that are there (RFC 4825 §8.2.3).

use super::{
    Element,
    selector::{NameTest, Step},
};

/// A place among the children of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// Behind everything that is there.
    Last,
    Before(Element<'a>),
    After(Element<'a>),
}

/// Decides where an element with the name of `new` goes so that `step` means it. `None` where the position
/// that is asked for would leave a gap.
pub(super) fn find_place<'a>(parent: Element<'a>, step: &Step, new: Element<'_>) -> Option<Place<'a>> {
    let is_counted = |element: &Element<'a>| match step.name {
        NameTest::Any => true,
        NameTest::Name { .. } => is_same_name(*element, new),
    };
    match step.position {
        // Positionally unconstrained: "earliest last" among those of its name.
        None => {
            let last = parent.elements().filter(|element| is_same_name(*element, new)).last();
            Some(last.map_or(Place::Last, Place::After))
        }
        Some(0) => None,
        Some(1) => Some(parent.elements().find(is_counted).map_or(Place::Last, Place::Before)),
        // "Earliest nth": directly behind the one before it.
        Some(position) => parent.elements().filter(is_counted).nth(position - 2).map(Place::After),
    }
}

fn is_same_name(one: Element<'_>, other: Element<'_>) -> bool {
    one.name() == other.name() && one.namespace() == other.namespace()
}
