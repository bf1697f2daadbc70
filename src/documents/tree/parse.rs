//! Reading: markup becomes nodes, prefixes become namespaces (Namespaces in XML 1.0).
//!
//! One pass, no recursion; the work for a name is bounded by the limits on attributes and declarations, so
//! that the whole is linear in the text.

use super::{
    Element, ParseError, Tree, TreeLimits,
    arena::{
        AttributeData, DeclarationData, ElementData, Kind, Namespace, NodeData, QName, Span, Text, number,
    },
    escape::unescape_attribute,
    scan::{CDATA, COMMENT, Scanner},
};
use crate::formats::xml::XML;

/// Reads a document.
pub(super) fn document(text: &[u8], limits: &TreeLimits) -> Result<Tree, ParseError> {
    let mut parser = Parser::new(text, limits)?;
    parser.scanner.take_xml_declaration()?;
    parser.skip_around()?;
    if parser.scanner.is_at("<!DOCTYPE") {
        return Err(ParseError::DocumentType);
    }
    parser.take_root()?;
    parser.skip_around()?;
    parser.finish()
}

/// Reads an element.
pub(super) fn fragment(
    text: &[u8],
    parent: Option<Element<'_>>,
    limits: &TreeLimits,
) -> Result<Tree, ParseError> {
    let mut parser = Parser::new(text, limits)?;
    for (prefix, uri) in parent.into_iter().flat_map(Element::bindings) {
        parser
            .declarations
            .push(DeclarationData { prefix: Text::Owned(prefix.into()), uri: Text::Owned(uri.into()) });
    }
    parser.scope.extend(0..number(parser.declarations.len()));
    parser.scanner.take_space();
    parser.take_root()?;
    parser.scanner.take_space();
    parser.finish()
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    limits: &'a TreeLimits,
    nodes: Vec<NodeData>,
    attributes: Vec<AttributeData>,
    declarations: Vec<DeclarationData>,
    /// The elements whose end has not come, with the declarations in scope outside of each.
    open: Vec<(u32, usize)>,
    /// The declarations in scope, innermost last.
    scope: Vec<u32>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8], limits: &'a TreeLimits) -> Result<Self, ParseError> {
        let most = limits.bytes.min(LARGEST);
        if text.len() > most {
            return Err(ParseError::TooLarge { what: "bytes", most });
        }
        Ok(Self {
            scanner: Scanner::new(text)?,
            limits,
            nodes: Vec::with_capacity((text.len() / 24).min(limits.nodes)),
            attributes: Vec::with_capacity(text.len() / 64),
            declarations: Vec::new(),
            open: Vec::new(),
            scope: Vec::new(),
        })
    }

    fn finish(self) -> Result<Tree, ParseError> {
        if self.scanner.at < self.scanner.text.len() {
            return self.scanner.malformed("content behind the end of the root element");
        }
        let Self { scanner, nodes, attributes, declarations, .. } = self;
        Ok(Tree { text: scanner.text.to_owned(), nodes, attributes, declarations })
    }

    /// What may stand before and behind the root element.
    fn skip_around(&mut self) -> Result<(), ParseError> {
        loop {
            self.scanner.take_space();
            if self.scanner.is_at(COMMENT) {
                self.scanner.take_comment()?;
            } else if self.scanner.is_at("<?") {
                self.scanner.take_instruction()?;
            } else {
                return Ok(());
            }
        }
    }

    fn take_root(&mut self) -> Result<(), ParseError> {
        if self.scanner.peek() != Some(b'<') {
            return self.scanner.malformed("no root element");
        }
        self.start_tag()?;
        while !self.open.is_empty() {
            self.content()?;
        }
        Ok(())
    }

    /// The next thing within an element.
    fn content(&mut self) -> Result<(), ParseError> {
        let start = self.scanner.at;
        let next = self.scanner.bytes().get(start + 1).copied();
        let kind = match (self.scanner.peek(), next) {
            (None, _) => return self.scanner.malformed("element without end"),
            (Some(b'<'), Some(b'/')) => return self.end_tag(),
            (Some(b'<'), Some(b'?')) => {
                self.scanner.take_instruction()?;
                Kind::Instruction
            }
            (Some(b'<'), Some(b'!')) if self.scanner.is_at(COMMENT) => {
                self.scanner.take_comment()?;
                Kind::Comment
            }
            (Some(b'<'), Some(b'!')) if self.scanner.is_at(CDATA) => {
                self.scanner.take_character_data()?;
                Kind::CharacterData
            }
            (Some(b'<'), Some(b'!')) => return self.scanner.malformed("markup declaration"),
            (Some(b'<'), _) => return self.start_tag(),
            _ => {
                self.scanner.take_text()?;
                Kind::Text
            }
        };
        self.push_node(kind, Span::new(start, self.scanner.at)).map(drop)
    }

    fn push_node(&mut self, kind: Kind, span: Span) -> Result<u32, ParseError> {
        if self.nodes.len() >= self.limits.nodes {
            return Err(ParseError::TooLarge { what: "nodes", most: self.limits.nodes });
        }
        let id = number(self.nodes.len());
        let parent = self.open.last().map_or(id, |(parent, _)| *parent);
        self.nodes.push(NodeData { kind, span, parent, end: id + 1 });
        Ok(id)
    }

    fn start_tag(&mut self) -> Result<(), ParseError> {
        let start = self.scanner.at;
        self.scanner.at += 1;
        let name = self.scanner.take_name()?;
        let outside = self.scope.len();
        let attributes = number(self.attributes.len());
        let declarations = number(self.declarations.len());
        let is_empty_tag = self.take_attributes()?;
        let namespace = self.resolve_tag(name, attributes, declarations)?;
        let at = self.scanner.at;
        let content = if is_empty_tag { Span::new(at - 2, at - 2) } else { Span::new(at, at) };
        let element = ElementData {
            name,
            namespace,
            content,
            is_empty_tag,
            attributes: (attributes, number(self.attributes.len())),
            declarations: (declarations, number(self.declarations.len())),
        };
        let id = self.push_node(Kind::Element(element), Span::new(start, at))?;
        if self.open.len() >= self.limits.depth {
            return Err(ParseError::TooLarge { what: "elements within each other", most: self.limits.depth });
        }
        if is_empty_tag {
            self.scope.truncate(outside);
        } else {
            self.open.push((id, outside));
        }
        Ok(())
    }

    /// Goes over the attributes to behind the `>`; says whether the element ends with it.
    fn take_attributes(&mut self) -> Result<bool, ParseError> {
        let mut left = self.limits.attributes;
        loop {
            let is_apart = self.scanner.take_space();
            match self.scanner.peek() {
                Some(b'>') => {
                    self.scanner.at += 1;
                    return Ok(false);
                }
                Some(b'/') => return self.scanner.expect("/>", "no `>` behind `/`").map(|()| true),
                _ if !is_apart => return self.scanner.malformed("no end of a tag"),
                _ if left == 0 => {
                    let most = self.limits.attributes;
                    return Err(ParseError::TooLarge { what: "attributes of one element", most });
                }
                _ => self.take_attribute()?,
            }
            left -= 1;
        }
    }

    fn take_attribute(&mut self) -> Result<(), ParseError> {
        let name = self.scanner.take_name()?;
        self.scanner.take_equals()?;
        let (value, is_escaped) = self.scanner.take_value()?;
        let text = self.scanner.text;
        match (name.prefix().map(|prefix| prefix.of(text)), name.local().of(text)) {
            (Some("xmlns"), _) => self.declare(Text::At(name.local()), value, is_escaped),
            (None, "xmlns") => self.declare(Text::Owned("".into()), value, is_escaped),
            _ => {
                self.attributes.push(AttributeData { name, namespace: Namespace::None, value, is_escaped });
                Ok(())
            }
        }
    }

    /// Notes what a prefix means from here on (Namespaces in XML §3, §5).
    fn declare(&mut self, prefix: Text, value: Span, is_escaped: bool) -> Result<(), ParseError> {
        let text = self.scanner.text;
        let uri =
            if is_escaped { Text::Owned(unescape_attribute(value.of(text)).into()) } else { Text::At(value) };
        let is_wrong = match (prefix.of(text), uri.of(text)) {
            ("xml", XML) => return Ok(()),
            ("xml", _) => true,
            (prefix, uri) => {
                prefix == "xmlns" || uri == XML || uri == XMLNS || (uri.is_empty() && !prefix.is_empty())
            }
        };
        if is_wrong {
            return self.scanner.malformed("namespace declaration that is not allowed");
        }
        if self.scope.len() >= self.limits.declarations {
            let most = self.limits.declarations;
            return Err(ParseError::TooLarge { what: "namespace declarations in scope", most });
        }
        self.scope.push(number(self.declarations.len()));
        self.declarations.push(DeclarationData { prefix, uri });
        Ok(())
    }

    /// Finds the namespaces of a tag's names; nothing may be there twice.
    fn resolve_tag(
        &mut self,
        name: QName,
        attributes: u32,
        declarations: u32,
    ) -> Result<Namespace, ParseError> {
        self.check_declarations(declarations as usize)?;
        for index in attributes as usize..self.attributes.len() {
            let Some(attribute) = self.attributes.get(index) else { break };
            let namespace = match attribute.name.prefix() {
                None => Namespace::None,
                Some(_) => self.resolve(attribute.name)?,
            };
            if let Some(attribute) = self.attributes.get_mut(index) {
                attribute.namespace = namespace;
            }
        }
        let own = self.attributes.get(attributes as usize..).unwrap_or_default();
        for (index, attribute) in own.iter().enumerate() {
            let earlier = own.get(..index).unwrap_or_default();
            if earlier.iter().any(|earlier| self.is_same_name(earlier, attribute)) {
                return self.scanner.malformed("attribute that is there twice");
            }
        }
        self.resolve(name)
    }

    fn check_declarations(&self, first: usize) -> Result<(), ParseError> {
        let own = self.declarations.get(first..).unwrap_or_default();
        let text = self.scanner.text;
        let is_double = |(index, declaration): (usize, &DeclarationData)| {
            let earlier = own.get(..index).unwrap_or_default();
            earlier.iter().any(|earlier| earlier.prefix.of(text) == declaration.prefix.of(text))
        };
        if own.iter().enumerate().any(is_double) {
            return self.scanner.malformed("namespace declaration that is there twice");
        }
        Ok(())
    }

    fn is_same_name(&self, one: &AttributeData, other: &AttributeData) -> bool {
        let text = self.scanner.text;
        one.name.local().of(text) == other.name.local().of(text)
            && self.uri(one.namespace) == self.uri(other.namespace)
    }

    fn uri(&self, namespace: Namespace) -> Option<&str> {
        match namespace {
            Namespace::None => None,
            Namespace::Xml => Some(XML),
            Namespace::Declared(index) => {
                self.declarations.get(index as usize).map(|declared| declared.uri.of(self.scanner.text))
            }
        }
    }

    /// What a prefix means here; no prefix means the default namespace.
    fn resolve(&self, name: QName) -> Result<Namespace, ParseError> {
        let text = self.scanner.text;
        let prefix = name.prefix().map_or("", |prefix| prefix.of(text));
        if prefix == "xml" {
            return Ok(Namespace::Xml);
        }
        let declared = self.scope.iter().rev().find_map(|index| {
            let declaration = self.declarations.get(*index as usize)?;
            (declaration.prefix.of(text) == prefix).then_some((*index, declaration))
        });
        match declared {
            Some((_, declaration)) if declaration.uri.of(text).is_empty() => Ok(Namespace::None),
            Some((index, _)) => Ok(Namespace::Declared(index)),
            None if prefix.is_empty() => Ok(Namespace::None),
            None => {
                let at = name.whole.start();
                Err(ParseError::Malformed { at, what: "namespace prefix that is not declared" })
            }
        }
    }

    fn end_tag(&mut self) -> Result<(), ParseError> {
        let start = self.scanner.at;
        self.scanner.at += 2;
        let name = self.scanner.take_name()?;
        self.scanner.take_space();
        self.scanner.expect(">", "no `>` at the end of an end tag")?;
        let end = number(self.nodes.len());
        let Some((id, outside)) = self.open.pop() else { return Ok(()) };
        self.scope.truncate(outside);
        let text = self.scanner.text;
        let Some(NodeData { kind: Kind::Element(element), span, end: last, .. }) =
            self.nodes.get_mut(id as usize)
        else {
            return Ok(());
        };
        if element.name.whole.of(text) != name.whole.of(text) {
            return Err(ParseError::Malformed { at: start, what: "end tag of another element" });
        }
        element.content = Span::new(element.content.start(), start);
        *span = Span::new(span.start(), self.scanner.at);
        *last = end;
        Ok(())
    }
}

const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// So that every place in a text fits the arena.
const LARGEST: usize = 16 * 1024 * 1024;
