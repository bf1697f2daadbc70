//! XEP-0115 §5: the hash of what somebody answers who is asked for his features, and whether it says what he wants to
//! hear of.
//!
//! The text that is hashed does not tell where one part ends and what kind of part it is, so an answer can be made up
//! that has the hash of another one (§9.3). One that can be read in two ways has no hash here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minidom::Element;
use sha1::{Digest, Sha1};

use super::form::NAMESPACE as FORMS;

/// The hash of §5.1; `None` of an answer that is ill-formed by §5.4, or may be taken for another one.
pub(super) fn hash_of(query: &Element) -> Option<String> {
    let mut identities = children(query, "identity", INFO).map(read_identity).collect::<Option<Vec<_>>>()?;
    identities.sort_unstable();
    let features = children(query, "feature", INFO).map(|it| Some(plain(it.attr("var")?)?.to_owned()));
    let mut features = features.collect::<Option<Vec<String>>>()?;
    features.sort_unstable();
    let forms = children(query, "x", FORMS).map(read_form).collect::<Option<Vec<_>>>()?;
    let mut forms: Vec<(String, Vec<String>)> = forms.into_iter().flatten().collect();
    forms.sort_unstable();
    let is_repeated = has_pair(&identities, |one, next| one == next)
        || has_pair(&features, |one, next| one == next)
        || has_pair(&forms, |one, next| one.0 == next.0);
    let identities: Vec<String> = identities.iter().map(|parts| parts.join("/")).collect();
    let forms: Vec<String> =
        forms.into_iter().flat_map(|(kind, parts)| std::iter::once(kind).chain(parts)).collect();
    // What is no feature here is none in another answer either.
    let is_ambiguous = identities.iter().chain(&forms).any(|part| part.ends_with(NOTIFY));
    if is_repeated || is_ambiguous {
        return None;
    }
    let mut text = String::new();
    for part in identities.iter().chain(&features).chain(&forms) {
        text.push_str(part);
        text.push('<');
    }
    Some(BASE64.encode(Sha1::digest(text.as_bytes())))
}

/// Category, type, language and name.
fn read_identity(identity: &Element) -> Option<[String; 4]> {
    let language = identity.attr_ns(XML, "lang");
    let parts = [identity.attr("category"), identity.attr("type"), language, identity.attr("name")];
    let mut read = [const { String::new() }; 4];
    for (to, part) in read.iter_mut().zip(parts) {
        plain(part.unwrap_or_default())?.clone_into(to);
    }
    Some(read)
}

/// What kind of form it is, and the parts of its other fields; `Some(None)` where it does not count.
fn read_form(form: &Element) -> Option<Option<(String, Vec<String>)>> {
    let mut fields = Vec::new();
    let mut kinds = None;
    for field in children(form, "field", FORMS) {
        let values = children(field, "value", FORMS).map(Element::text);
        let mut values = values.map(|value| plain(&value).map(str::to_owned)).collect::<Option<Vec<_>>>()?;
        values.sort_unstable();
        match plain(field.attr("var").unwrap_or_default())? {
            "FORM_TYPE" if kinds.is_some() => return None,
            "FORM_TYPE" => kinds = Some((field.attr("type") == Some("hidden"), values)),
            name => fields.push((name.to_owned(), values)),
        }
    }
    let Some((true, mut kinds)) = kinds else { return Some(None) };
    kinds.dedup();
    if kinds.len() > 1 {
        return None;
    }
    let Some(kind) = kinds.pop() else { return Some(None) };
    fields.sort_unstable();
    let parts = fields.into_iter().flat_map(|(name, values)| std::iter::once(name).chain(values));
    Some(Some((kind, parts.collect())))
}

/// A part that does not look like the end of one and the beginning of the next.
fn plain(part: &str) -> Option<&str> {
    (!part.contains('<')).then_some(part)
}

fn has_pair<T>(sorted: &[T], is_pair: impl Fn(&T, &T) -> bool) -> bool {
    sorted.iter().zip(sorted.iter().skip(1)).any(|(one, next)| is_pair(one, next))
}

fn children<'a>(
    parent: &'a Element,
    name: &'static str,
    namespace: &'static str,
) -> impl Iterator<Item = &'a Element> {
    parent.children().filter(move |child| child.is(name, namespace))
}

/// How features end that say what somebody wants to hear of (XEP-0163 §4.2).
pub(super) const NOTIFY: &str = "+notify";
pub(super) const INFO: &str = "http://jabber.org/protocol/disco#info";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(children: &str) -> Option<String> {
        let query = format!("<query xmlns='http://jabber.org/protocol/disco#info'>{children}</query>");
        hash_of(&query.parse().expect("xml"))
    }

    #[test]
    fn hashes_are_those_of_the_specification() {
        let simple = "<identity category='client' name='Exodus 0.9.1' type='pc'/>\
            <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#items'/>\
            <feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/muc'/>";
        let complex = "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>\
            <identity xml:lang='el' category='client' name='\u{3a8} 0.11' type='pc'/>\
            <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
            <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>\
            <x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>\
            <value>urn:xmpp:dataforms:softwareinfo</value></field><field var='ip_version' type='text-multi'>\
            <value>ipv4</value><value>ipv6</value></field><field var='os'><value>Mac</value></field>\
            <field var='os_version'><value>10.5.1</value></field><field var='software'><value>Psi</value></field>\
            <field var='software_version'><value>0.11</value></field></x>";
        // A form that does not say what it is, or not as it should, does not count (§5.4).
        let odd = format!(
            "{simple}<x xmlns='jabber:x:data'><field var='a'><value>1</value></field></x>\
             <x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>urn:x</value></field></x>"
        );
        for (children, expected) in [
            (simple, "QgayPKawpkPSDYmwT/WM94uAlu0="),
            (complex, "q07IKJEyjvHSyhy//CH0CxmKi8w="),
            (&odd, "QgayPKawpkPSDYmwT/WM94uAlu0="),
        ] {
            assert_eq!(hash(children).as_deref(), Some(expected), "{children}");
        }
    }

    #[test]
    fn what_is_ill_formed_or_may_be_another_answer_has_no_hash() {
        let form = |kind: &str, field: &str| {
            format!(
                "<x xmlns='jabber:x:data'><field var='FORM_TYPE' type='hidden'><value>{kind}</value></field>\
                 <field var='{field}'><value>1</value></field></x>"
            )
        };
        for children in [
            "<feature var='a&lt;b+notify&lt;c+notify'/>".to_owned(),
            "<feature var='a'/><feature var='b'/><feature var='a'/>".to_owned(),
            "<feature/>".to_owned(),
            "<identity category='client' type='pc'/><identity category='client' type='pc'/>".to_owned(),
            "<identity category='client' type='pc' name='x&lt;y'/>".to_owned(),
            "<identity category='http:' type='' name='nick+notify'/>".to_owned(),
            form("urn:x", "b&lt;c"),
            form("urn:x", "b+notify"),
            form("urn:x+notify", "b"),
            form("urn:x</value><value>urn:y", "b"),
            format!("{}{}", form("urn:x", "a"), form("urn:x", "b")),
        ] {
            assert_eq!(hash(&children), None, "{children}");
        }
        assert!(hash(&format!("{}{}", form("urn:x</value><value>urn:x", "a"), form("urn:y", "b"))).is_some());
    }
}
