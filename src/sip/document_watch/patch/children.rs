//! How the children of an element became others: nodes that stay are found, what is gone is removed, what stays is
//! compared, what came is put in.
//!
//! Children are nodes with texts between them, as XPath sees them: texts that touch are one, and become one where
//! what was between them is removed (RFC 5261 §4.5.6).

use std::{borrow::Cow, collections::HashMap, hash::Hash};

use super::{Operations, SEARCHED, spend};
use crate::documents::{Element, Node, escape_text};

/// A child that is no text.
#[derive(Clone, Copy)]
enum Knot<'a> {
    Element(Element<'a>),
    Comment(&'a str),
    Instruction(&'a str),
}

/// The children of an element: before each node, and behind the last one, a text, which may be empty.
struct Children<'a> {
    knots: Vec<Knot<'a>>,
    texts: Vec<String>,
}

/// Nodes of one element and those of another that they correspond to, both in their order.
type Pairs = Vec<(usize, usize)>;

impl Operations<'_> {
    pub(super) fn children(&mut self, old: Element<'_>, new: Element<'_>, path: &str) -> Option<()> {
        // They are read, and what is the same in both is found by what is written.
        spend(self.work, (old.source().len() + new.source().len()) / SEARCHED)?;
        let (mut was, is) = (Children::of(old), Children::of(new));
        if was.knots.is_empty() && is.knots.is_empty() && was.texts != is.texts {
            // A text alone is replaced with the element around it: that is short, and easily applied.
            return None;
        }
        let pairs = pairs(&was.knots, &is.knots, self.work)?;
        for at in (0..was.knots.len()).rev() {
            if pairs.binary_search_by_key(&at, |(old, _)| *old).is_err() {
                self.push("remove", &was.selector(path, at)?, "", "")?;
                was.remove(at);
            }
        }
        for (at, (_, to)) in pairs.iter().enumerate() {
            self.change(&mut was, at, *is.knots.get(*to)?, path)?;
        }
        let ends = pairs.iter().map(|(_, to)| *to).chain([is.knots.len()]);
        let mut from = 0;
        for to in ends {
            self.fill(&mut was, (&is, from, to), new, path)?;
            from = to + 1;
        }
        Some(())
    }

    /// Makes a node that stays what it is now.
    fn change<'a>(&mut self, was: &mut Children<'a>, at: usize, to: Knot<'a>, path: &str) -> Option<()> {
        if let (Knot::Element(one), Knot::Element(other)) = (*was.knots.get(at)?, to) {
            let place = was.selector(path, at)?;
            if self.compare(one, other, &place).is_none() {
                let bindings = self.bindings_of(other)?;
                self.push("replace", &place, &bindings, other.source())?;
            }
        }
        *was.knots.get_mut(at)? = to;
        Some(())
    }

    /// Puts in what is to stand before the node that is the one at `to`: the nodes from `from` on, and the texts
    /// around them. All before is done already.
    fn fill<'a>(
        &mut self,
        was: &mut Children<'a>,
        (is, from, to): (&Children<'a>, usize, usize),
        parent: Element<'_>,
        path: &str,
    ) -> Option<()> {
        let (first, last) = (is.texts.get(from)?, is.texts.get(to)?);
        let text = was.texts.get(from)?;
        let is_behind = from < to && text == last && text != first;
        if !is_behind && !text.is_empty() && text != first {
            self.set_text(was, from, first, path)?;
        }
        let is_there = !is_behind && !was.texts.get(from)?.is_empty();
        let mut content = String::new();
        for at in from..=to {
            let is_known = (at == from && is_there) || (at == to && is_behind);
            if !is_known {
                content.push_str(&escape_text(is.texts.get(at)?));
            }
            if at < to {
                content.push_str(is.knots.get(at)?.source());
            }
        }
        if content.is_empty() {
            return Some(());
        }
        let bindings = self.scope_of(parent, &content)?;
        match (is_behind, from.checked_sub(1)) {
            (true, None) => self.push("add", path, &format!(" pos=\"prepend\"{bindings}"), &content)?,
            (true, Some(left)) => {
                let left = was.selector(path, left)?;
                self.push("add", &left, &format!(" pos=\"after\"{bindings}"), &content)?;
            }
            _ if from == was.knots.len() => self.push("add", path, &bindings, &content)?,
            _ => {
                let right = was.selector(path, from)?;
                self.push("add", &right, &format!(" pos=\"before\"{bindings}"), &content)?;
            }
        }
        was.knots.splice(from..from, is.knots.get(from..to)?.iter().copied());
        was.texts.splice(from..=from, is.texts.get(from..=to)?.iter().cloned());
        Some(())
    }

    /// Makes a text that is there another one, or none.
    fn set_text(&mut self, was: &mut Children<'_>, at: usize, to: &str, path: &str) -> Option<()> {
        let number = was.texts.get(..=at)?.iter().filter(|text| !text.is_empty()).count();
        let selector = format!("{path}/text()[{number}]");
        let name = if to.is_empty() { "remove" } else { "replace" };
        to.clone_into(was.texts.get_mut(at)?);
        self.push(name, &selector, "", &escape_text(to))
    }
}

impl<'a> Children<'a> {
    fn of(element: Element<'a>) -> Self {
        let (mut knots, mut texts) = (Vec::new(), vec![String::new()]);
        for child in element.children() {
            let knot = match child {
                Node::Text(text) => {
                    if let Some(last) = texts.last_mut() {
                        last.push_str(&text);
                    }
                    continue;
                }
                Node::Element(element) => Knot::Element(element),
                Node::Comment(markup) => Knot::Comment(markup),
                Node::Instruction(markup) => Knot::Instruction(markup),
            };
            knots.push(knot);
            texts.push(String::new());
        }
        Self { knots, texts }
    }

    /// Takes a node away; the texts on both sides become one.
    fn remove(&mut self, at: usize) {
        self.knots.remove(at);
        let behind = self.texts.remove(at + 1);
        if let Some(before) = self.texts.get_mut(at) {
            before.push_str(&behind);
        }
    }

    /// How a node is selected below `path`.
    fn selector(&self, path: &str, at: usize) -> Option<String> {
        let test = self.knots.get(at)?.test();
        let number = self.knots.get(..=at)?.iter().filter(|knot| knot.test() == test).count();
        Some(format!("{path}/{test}[{number}]"))
    }
}

impl<'a> Knot<'a> {
    /// As it is written.
    fn source(self) -> &'a str {
        match self {
            Self::Element(element) => element.source(),
            Self::Comment(markup) | Self::Instruction(markup) => markup,
        }
    }

    /// What selects all of its kind.
    fn test(self) -> &'static str {
        match self {
            Self::Element(_) => "*",
            Self::Comment(_) => "comment()",
            Self::Instruction(_) => "processing-instruction()",
        }
    }

    /// What tells an element from its neighbours, though other things in it change.
    fn identity(self) -> Option<(&'a str, Option<Cow<'a, str>>)> {
        let Self::Element(element) = self else { return None };
        let key = IDENTIFYING.iter().find_map(|name| element.attribute(name));
        Some((element.qualified_name(), key))
    }
}

/// Which nodes stay: those that are the same, and between them elements that are to be compared. `None` where there
/// are too many to tell.
fn pairs(was: &[Knot<'_>], is: &[Knot<'_>], work: &mut usize) -> Option<Pairs> {
    let same = common(was, is, |knot| Some(knot.source()), work)?;
    let mut all = Pairs::new();
    let mut begin = (0, 0);
    for end in same.into_iter().chain([(was.len(), is.len())]) {
        let gone = was.get(begin.0..end.0)?;
        let come = is.get(begin.1..end.1)?;
        let mut alike = common(gone, come, Knot::identity, work)?;
        if alike.is_empty() && gone.len() == come.len() {
            let both = gone.iter().zip(come).enumerate();
            let both = both.filter(|(_, both)| matches!(both, (Knot::Element(_), Knot::Element(_))));
            alike.extend(both.map(|(at, _)| (at, at)));
        }
        all.extend(alike.into_iter().map(|(old, new)| (begin.0 + old, begin.1 + new)));
        if end.0 < was.len() {
            all.push(end);
        }
        begin = (end.0 + 1, end.1 + 1);
    }
    Some(all)
}

/// A longest sequence of nodes that both have, as `key` tells them apart; one without key is like no other. `None`
/// where there are too many to tell.
fn common<'a, K: Eq + Hash>(
    was: &[Knot<'a>],
    is: &[Knot<'a>],
    key: impl Fn(Knot<'a>) -> Option<K>,
    work: &mut usize,
) -> Option<Pairs> {
    let mut numbers: HashMap<K, usize> = HashMap::new();
    let mut number = |knot: &Knot<'a>| {
        let next = numbers.len();
        key(*knot).map(|key| *numbers.entry(key).or_insert(next))
    };
    let was: Vec<_> = was.iter().map(&mut number).collect();
    let is: Vec<_> = is.iter().map(&mut number).collect();
    let start = was.iter().zip(&is).take_while(is_alike).count();
    let most = was.len().min(is.len()) - start;
    let tail = was.iter().rev().zip(is.iter().rev()).take(most).take_while(is_alike).count();
    let (inner, other) = (was.get(start..was.len() - tail)?, is.get(start..is.len() - tail)?);
    let inside = longest(inner, other, work)?.into_iter().map(|(one, two)| (start + one, start + two));
    let behind = (0..tail).rev().map(|back| (was.len() - 1 - back, is.len() - 1 - back));
    Some((0..start).map(|at| (at, at)).chain(inside).chain(behind).collect())
}

fn is_alike((one, other): &(&Option<usize>, &Option<usize>)) -> bool {
    one.is_some() && one == other
}

fn longest(was: &[Option<usize>], is: &[Option<usize>], work: &mut usize) -> Option<Pairs> {
    let width = is.len() + 1;
    let cells = (was.len() + 1).checked_mul(width).filter(|cells| *cells <= CELLS)?;
    spend(work, cells)?;
    // How many both have from these places on.
    let mut lengths = vec![0_u32; cells];
    let like = |one: usize, other: usize| was.get(one)?.zip(*is.get(other)?).map(|(one, two)| one == two);
    for one in (0..was.len()).rev() {
        for other in (0..is.len()).rev() {
            let length = if like(one, other) == Some(true) {
                lengths.get((one + 1) * width + other + 1)? + 1
            } else {
                *lengths.get((one + 1) * width + other)?.max(lengths.get(one * width + other + 1)?)
            };
            *lengths.get_mut(one * width + other)? = length;
        }
    }
    let (mut found, mut one, mut other) = (Pairs::new(), 0, 0);
    while one < was.len() && other < is.len() {
        let below = *lengths.get((one + 1) * width + other)?;
        if like(one, other) == Some(true) {
            found.push((one, other));
            (one, other) = (one + 1, other + 1);
        } else if below >= *lengths.get(one * width + other + 1)? {
            one += 1;
        } else {
            other += 1;
        }
    }
    Some(found)
}

/// Attributes that say which one an element is, the first that it has.
const IDENTIFYING: [&str; 4] = ["id", "uri", "name", "ref"];
/// Most pairs of nodes that are compared at a time.
const CELLS: usize = 1 << 20;
