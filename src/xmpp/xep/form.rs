//! XEP-0004: Data Forms, as far as every extension that has one needs it.

use minidom::Element;

use crate::xmpp::stanza::{print_attribute, print_text};

pub(super) const NAMESPACE: &str = "jabber:x:data";

/// A form as somebody filled it in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filled {
    /// The names of the fields with their values. A field that stands twice has the values of both.
    fields: Vec<(String, Vec<String>)>,
}

impl Filled {
    /// The form of type `submit` in `parent`; `None` where there is none.
    pub(super) fn parse(parent: &Element) -> Option<Self> {
        let form = parent.get_child("x", NAMESPACE).filter(|form| form.attr("type") == Some("submit"))?;
        let fields = form.children().filter(|field| field.is("field", NAMESPACE)).filter_map(|field| {
            let values = field.children().filter(|value| value.is("value", NAMESPACE));
            Some((field.attr("var")?.to_owned(), values.map(Element::text).collect()))
        });
        Some(Self { fields: fields.collect() })
    }

    /// The values of a field, without empty ones.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.fields.iter().filter(move |(known, _)| known == name);
        fields.flat_map(|(_, values)| values).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first value of a field.
    pub(super) fn value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).next()
    }
}

/// A field of a form to fill in, or of a filled one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// As XEP-0004 §3.3 has it: `text-single`, `jid-multi` and so on.
    pub(super) kind: &'static str,
    pub(super) label: &'static str,
    pub(super) is_required: bool,
    pub(super) values: Vec<String>,
    pub(super) choices: &'static [&'static str],
}

impl Field {
    /// A field to be filled in.
    pub(super) const fn new(name: &'static str, kind: &'static str, label: &'static str) -> Self {
        Self { name, kind, label, is_required: false, values: Vec::new(), choices: &[] }
    }

    /// One that cannot be left empty.
    pub(super) const fn required(name: &'static str, kind: &'static str, label: &'static str) -> Self {
        Self { name, kind, label, is_required: true, values: Vec::new(), choices: &[] }
    }

    /// One of these.
    pub(super) const fn choice(
        name: &'static str,
        label: &'static str,
        choices: &'static [&'static str],
    ) -> Self {
        Self { name, kind: "list-single", label, is_required: false, values: Vec::new(), choices }
    }

    /// With these values.
    pub(super) fn with(self, values: impl IntoIterator<Item = String>) -> Self {
        Self { values: values.into_iter().collect(), ..self }
    }

    fn print(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("<field var='{}' type='{}'", self.name, self.kind).as_bytes());
        if !self.label.is_empty() {
            out.extend_from_slice(b" label='");
            print_attribute(self.label, out);
            out.push(b'\'');
        }
        out.push(b'>');
        if self.is_required {
            out.extend_from_slice(b"<required/>");
        }
        for value in &self.values {
            out.extend_from_slice(b"<value>");
            print_text(value, out);
            out.extend_from_slice(b"</value>");
        }
        for choice in self.choices {
            out.extend_from_slice(format!("<option><value>{choice}</value></option>").as_bytes());
        }
        out.extend_from_slice(b"</field>");
    }
}

/// The form with its title; `kind` is `form` or `result`, `form_type` what XEP-0068 calls `FORM_TYPE`.
pub(super) fn print(kind: &str, form_type: &str, title: &str, fields: &[Field]) -> String {
    let mut out = format!("<x xmlns='{NAMESPACE}' type='{kind}'>").into_bytes();
    if !title.is_empty() {
        out.extend_from_slice(b"<title>");
        print_text(title, &mut out);
        out.extend_from_slice(b"</title>");
    }
    if !form_type.is_empty() {
        let hidden = format!("<field var='FORM_TYPE' type='hidden'><value>{form_type}</value></field>");
        out.extend_from_slice(hidden.as_bytes());
    }
    fields.iter().for_each(|field| field.print(&mut out));
    out.extend_from_slice(b"</x>");
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_read() {
        let text = "<command xmlns='a'><x xmlns='jabber:x:data' type='submit'>\
                    <field var='who'><value>a@x</value><value/><value>b@x</value></field>\
                    <field><value>lost</value></field></x></command>";
        let form = Filled::parse(&text.parse().unwrap()).unwrap();
        assert_eq!(form.values("who").collect::<Vec<_>>(), ["a@x", "b@x"]);
        assert!(form.value("what").is_none());
        assert!(Filled::parse(&text.replace("submit", "cancel").parse().unwrap()).is_none());
    }

    #[test]
    fn a_printed_form_is_well_formed_whatever_it_says() {
        let fields =
            [Field::required("a", "text-single", "It's <a>"), Field::new("b", "", "").with(["<&".into()])];
        let form: Element = print("form", "urn:x", "A & B", &fields).parse().unwrap();
        let label = form.children().filter_map(|field| field.attr("label")).next();
        assert_eq!(label, Some("It's <a>"));
        assert!(form.children().any(|field| field.children().any(|value| value.text() == "<&")));
    }
}
