//! Which namespace a prefix means: declarations of the stream header, then those of the stanza.
//!
//! Positions instead of copies; only what the stream header declares is owned, because it outlives
//! the bytes it came in.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use compact_str::CompactString;

use super::tag::Attribute;
use super::text::{Span, Value};
use super::{CLIENT, Error, Limits};

/// What the stream header declared. `""` as a prefix is the default namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamNamespaces(pub(super) Vec<(CompactString, CompactString)>);

impl StreamNamespaces {
    /// What most clients declare is there once for all of them.
    pub(super) fn into_shared(self) -> Arc<Self> {
        static USUAL: LazyLock<Arc<StreamNamespaces>> = LazyLock::new(|| {
            let usual = [("", CLIENT), ("stream", STREAMS)];
            Arc::new(StreamNamespaces(usual.map(|(prefix, uri)| (prefix.into(), uri.into())).into()))
        });
        let is_usual = self.0.len() == USUAL.0.len() && USUAL.0.iter().all(|one| self.0.contains(one));
        if is_usual { Arc::clone(&USUAL) } else { Arc::new(self) }
    }

    /// Reads what is declared as the one namespace as the other.
    pub(super) fn read_as(&mut self, declared: &str, meant: &str) {
        for (_, uri) in self.0.iter_mut().filter(|(_, uri)| *uri == declared) {
            *uri = meant.into();
        }
    }

    /// Whether this is the default namespace.
    pub(super) fn has_default(&self, uri: &str) -> bool {
        self.find(b"").is_some_and(|index| self.uri(index) == uri)
    }

    fn find(&self, prefix: &[u8]) -> Option<usize> {
        self.0.iter().position(|(known, _)| known.as_bytes() == prefix)
    }

    fn uri(&self, index: usize) -> &str {
        self.0.get(index).map_or("", |(_, uri)| uri)
    }

    /// The prefixes and what they mean.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(prefix, uri)| (prefix.as_str(), uri.as_str()))
    }
}

/// A resolved namespace: none, the one of `xml:`, one of the stream header, or one of the stanza itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Namespace {
    #[default]
    None,
    Xml,
    Stream(u16),
    Declared(Value),
}

impl Namespace {
    /// Its name.
    pub(super) fn read<'a>(self, bytes: &'a [u8], stream: &'a StreamNamespaces) -> Cow<'a, str> {
        match self {
            Self::None => Cow::Borrowed(""),
            Self::Xml => Cow::Borrowed(XML),
            Self::Stream(index) => Cow::Borrowed(stream.uri(usize::from(index))),
            Self::Declared(value) => value.read(bytes),
        }
    }

    /// Whether its name is `expected`.
    pub(super) fn is(self, bytes: &[u8], stream: &StreamNamespaces, expected: &str) -> bool {
        match self {
            Self::Declared(value) => value.is(bytes, expected),
            other => other.read(bytes, stream) == expected,
        }
    }
}

/// A namespace, and the depth of the element that declared it: 0 is the stream header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved {
    pub(super) namespace: Namespace,
    pub(super) depth: usize,
}

#[derive(Clone, Copy, Debug)]
struct Binding {
    prefix: Span,
    uri: Value,
    depth: usize,
}

/// The declarations in scope while one stanza is read.
#[derive(Debug, Default)]
pub(super) struct Scope {
    bindings: Vec<Binding>,
}

impl Scope {
    /// Adds what `attributes` of an element at `depth` declare, unless it is `known` as the default namespace.
    pub(super) fn declare(
        &mut self,
        bytes: &[u8],
        attributes: &[Attribute],
        depth: usize,
        known: &str,
        limits: &Limits,
    ) -> Result<(), Error> {
        for attribute in attributes {
            let Some(prefix) = declared_prefix(bytes, attribute) else { continue };
            if prefix.is_empty() && !known.is_empty() && attribute.value.is(bytes, known) {
                continue;
            }
            check_declaration(prefix.bytes(bytes), &attribute.value.read(bytes))?;
            if self.bindings.len() >= limits.bindings {
                return Err(Error::TooLarge("namespaces"));
            }
            self.bindings.push(Binding { prefix, uri: attribute.value, depth });
        }
        Ok(())
    }

    /// Forgets what elements at `depth` or deeper declared.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.bindings.last().is_some_and(|binding| binding.depth >= depth) {
            self.bindings.pop();
        }
    }

    /// What `prefix` (empty for the default namespace) means here.
    pub(super) fn resolve(&self, bytes: &[u8], prefix: Span, stream: &StreamNamespaces) -> Option<Resolved> {
        let name = prefix.bytes(bytes);
        if let Some(binding) = self.bindings.iter().rev().find(|binding| binding.prefix.bytes(bytes) == name)
        {
            let namespace =
                if binding.uri.span.is_empty() { Namespace::None } else { Namespace::Declared(binding.uri) };
            return Some(Resolved { namespace, depth: binding.depth });
        }
        if name == b"xml" {
            return Some(Resolved { namespace: Namespace::Xml, depth: usize::MAX });
        }
        match stream.find(name) {
            Some(index) => {
                let index = u16::try_from(index).ok()?;
                Some(Resolved { namespace: Namespace::Stream(index), depth: 0 })
            }
            None if name.is_empty() => Some(Resolved { namespace: Namespace::None, depth: 0 }),
            None => None,
        }
    }
}

/// The prefix that this attribute declares, empty for the default namespace; `None` when it declares none.
pub(super) fn declared_prefix(bytes: &[u8], attribute: &Attribute) -> Option<Span> {
    if attribute.name.prefix.is_empty() {
        (attribute.name.local.bytes(bytes) == b"xmlns").then(Span::default)
    } else {
        (attribute.name.prefix.bytes(bytes) == b"xmlns").then_some(attribute.name.local)
    }
}

/// The constraints of Namespaces in XML §3 and §6.1 on one declaration.
pub(super) fn check_declaration(prefix: &[u8], uri: &str) -> Result<(), Error> {
    let allowed = match prefix {
        b"xml" => uri == XML,
        b"xmlns" => false,
        b"" => uri != XML && uri != XMLNS,
        _ => !uri.is_empty() && uri != XML && uri != XMLNS,
    };
    if allowed { Ok(()) } else { Err(Error::NotWellFormed("namespace declaration")) }
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const STREAMS: &str = "http://etherx.jabber.org/streams";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
