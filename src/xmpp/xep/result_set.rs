//! XEP-0059: Result Set Management, as far as pages by id go.

use minidom::Element;

use crate::xmpp::stanza::print_text;

pub(super) const NAMESPACE: &str = "http://jabber.org/protocol/rsm";

/// Which page is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) most: Option<usize>,
    pub(super) after: Option<String>,
    /// `Some(None)`: the last page.
    pub(super) before: Option<Option<String>>,
}

impl Page {
    /// The page that a `<set/>` in `parent` asks for; `None` where it makes no sense.
    pub(super) fn parse(parent: &Element) -> Option<Self> {
        let Some(set) = parent.get_child("set", NAMESPACE) else { return Some(Self::default()) };
        let text = |name| set.get_child(name, NAMESPACE).map(Element::text);
        // A page by number would need counting.
        if set.get_child("index", NAMESPACE).is_some() {
            return None;
        }
        let most = match text("max") {
            Some(max) => Some(max.trim().parse().ok()?),
            None => None,
        };
        let before = text("before").map(|before| (!before.is_empty()).then_some(before));
        Some(Self { most, after: text("after").filter(|after| !after.is_empty()), before })
    }
}

/// The `<set/>` of an answer; empty where the page is.
pub(super) fn print(ends: Option<(&str, &str)>) -> String {
    let Some((first, last)) = ends else { return format!("<set xmlns='{NAMESPACE}'/>") };
    let text = |text: &str| {
        let mut out = Vec::new();
        print_text(text, &mut out);
        String::from_utf8(out).unwrap_or_default()
    };
    format!("<set xmlns='{NAMESPACE}'><first>{}</first><last>{}</last></set>", text(first), text(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read() {
        let parse = |set: &str| {
            let text = format!("<q xmlns='a'><set xmlns='{NAMESPACE}'>{set}</set></q>");
            Page::parse(&text.parse().unwrap())
        };
        let page = Page { most: Some(10), after: Some("a".into()), before: None };
        assert_eq!(parse("<max>10</max><after>a</after>"), Some(page));
        let last = Page { most: None, after: None, before: Some(None) };
        assert_eq!(parse("<before/>"), Some(last));
        let before = Page { most: None, after: None, before: Some(Some("b".into())) };
        assert_eq!(parse("<before>b</before>"), Some(before));
        assert_eq!(parse("<max>-1</max>"), None);
        assert_eq!(parse("<index>1</index>"), None);
        assert_eq!(Page::parse(&"<q xmlns='a'/>".parse().unwrap()), Some(Page::default()));
    }
}
