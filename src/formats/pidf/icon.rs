//! The picture of a person, by its URL (`icon`, RFC 4482 §3.2): where an account has one, whichever way it was
//! set, those who are told of her are told of it.
//!
//! Nobody who is not there shows a picture: a document of hers must not differ from one that pretends.

use super::{
    CIPID,
    element::Element,
    model::{Document, Tuple},
    unescape_uri,
};
use crate::formats::percent::unescape;

impl Document {
    /// Shows the picture at `url` with the person and with every open service, but for those that were
    /// published with a picture from somewhere else. COMPAT(Blink): it looks at services alone, and tells
    /// one picture from the next by the fragment of its URL.
    pub fn show_picture(&mut self, url: &str) {
        if !self.tuples.iter().any(Tuple::is_open) {
            return;
        }
        for tuple in self.tuples.iter_mut().filter(|tuple| tuple.is_open()) {
            show_in(&mut tuple.extensions, url);
        }
        for person in &mut self.persons {
            show_in(&mut person.extensions, url);
        }
    }
}

fn show_in(extensions: &mut Vec<Element>, url: &str) {
    extensions.retain(|element| !(is_icon(element) && is_same_place(&element.text(), url)));
    if !extensions.iter().any(is_icon) {
        extensions.push(Element::with_text(CIPID, "icon", url));
    }
}

fn is_icon(element: &Element) -> bool {
    element.is(CIPID, "icon")
}

/// Whether two URLs lead to the same place of this server, whatever its hosts are called, and whichever
/// picture was there.
fn is_same_place(one: &str, other: &str) -> bool {
    path_of(&unescape_uri(one)) == path_of(other)
}

fn path_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let path = rest.get(rest.find('/')?..)?;
    Some(unescape(path.split(['?', '#']).next().unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{pidf::Format, xml::Limits};

    const URL: &str = "https://example.org/xcap-root/p/users/sip:bob@example.org/index#blink-icon2";

    /// How often the picture is shown in a document of this.
    fn shown(inside: &str) -> (usize, String) {
        let text = format!(
            "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' \
             xmlns:c='urn:ietf:params:xml:ns:pidf:cipid' entity='sip:bob@example.org'>{inside}</presence>"
        );
        let mut document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        document.show_picture(URL);
        let printed = Format::Pidf.print(&document);
        (printed.matches(URL).count(), printed)
    }

    fn tuple(basic: &str, icon: &str) -> String {
        format!("<tuple id='t'><status><basic>{basic}</basic></status>{icon}</tuple>")
    }

    #[test]
    fn a_picture_is_shown_with_the_person_and_what_is_there() {
        let person = "<dm:person id='p'/>";
        for (inside, expected) in [
            (tuple("open", ""), 1),
            (tuple("open", "") + person, 2),
            (tuple("closed", "") + person, 0),
            (person.to_owned(), 0),
        ] {
            let (count, printed) = shown(&inside);
            assert_eq!(count, expected, "{printed}");
        }
    }

    #[test]
    fn a_published_picture_stays_unless_it_is_an_older_one_of_the_same_place() {
        for (published, expected) in [
            ("https://pictures.example/bob.png", 0),
            ("https://alias.example:8443/xcap-root/p/users/sip%3Abob%40example.org/index#blink-icon1", 1),
            ("http%3A//example.org/xcap-root/p/users/sip%3Abob%40example.org/index%23blink-icon1", 1),
            ("https://example.org/xcap-root/p/users/sip:bob@example.org/index", 1),
            ("https://example.org/xcap-root/p/users/sip:alice@example.org/index", 0),
        ] {
            let (count, printed) = shown(&tuple("open", &format!("<c:icon>{published}</c:icon>")));
            assert_eq!(count, expected, "{printed}");
            assert_eq!(printed.matches("<c:icon>").count(), 1, "{printed}");
        }
    }
}
