//! How a tree is kept: three flat lists, and spans into the text.

use std::ops::Range;

/// A range of bytes of the text. Texts are far below 4 GiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: number(start), end: number(end) }
    }

    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    pub(super) fn end(self) -> usize {
        self.end as usize
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start()..self.end()
    }

    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}

/// As an index of the arena, or a place in the text.
pub(super) fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A qualified name where it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct QName {
    pub(super) whole: Span,
    /// Where the local part starts; at the start of the whole where there is no prefix.
    pub(super) local: u32,
}

impl QName {
    pub(super) fn local(self) -> Span {
        Span { start: self.local, end: self.whole.end }
    }

    /// Without the colon; `None` where there is none.
    pub(super) fn prefix(self) -> Option<Span> {
        (self.local > self.whole.start).then(|| Span { start: self.whole.start, end: self.local - 1 })
    }
}

/// Text of the document, or from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    At(Span),
    Owned(Box<str>),
}

impl Text {
    pub(super) fn of<'a>(&'a self, text: &'a str) -> &'a str {
        match self {
            Self::At(span) => span.of(text),
            Self::Owned(text) => text,
        }
    }
}

/// Which namespace a name is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    None,
    /// That of the prefix `xml`, which needs no declaration.
    Xml,
    /// What this declaration says.
    Declared(u32),
}

/// `xmlns="…"` or `xmlns:prefix="…"`.
#[derive(Debug, Clone)]
pub(super) struct DeclarationData {
    /// Empty for the default namespace.
    pub(super) prefix: Text,
    /// Unescaped; empty where it takes the default namespace away.
    pub(super) uri: Text,
}

#[derive(Debug, Clone)]
pub(super) struct AttributeData {
    pub(super) name: QName,
    pub(super) namespace: Namespace,
    /// Between the quotes, as it is written.
    pub(super) value: Span,
    /// It holds a reference, or white space that is read as a blank.
    pub(super) is_escaped: bool,
}

#[derive(Debug, Clone)]
pub(super) struct NodeData {
    pub(super) kind: Kind,
    /// From the first byte of the markup to the last.
    pub(super) span: Span,
    /// Index of the parent; its own for the root.
    pub(super) parent: u32,
    /// One past the last node below this one.
    pub(super) end: u32,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Element(ElementData),
    Text,
    CharacterData,
    Comment,
    Instruction,
}

#[derive(Debug, Clone)]
pub(super) struct ElementData {
    pub(super) name: QName,
    pub(super) namespace: Namespace,
    /// Between the tags; for an empty-element tag both ends are at the `/`.
    pub(super) content: Span,
    pub(super) is_empty_tag: bool,
    /// Its attributes, in the list of all.
    pub(super) attributes: (u32, u32),
    /// Its own declarations, in the list of all.
    pub(super) declarations: (u32, u32),
}
