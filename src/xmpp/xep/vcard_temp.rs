//! XEP-0054: vcard-temp, a face of the account's one profile and, by XEP-0398, of its one picture.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use minidom::Element;

use super::{Answer, Handler, Iq, Module, Payload, Target};
use crate::account::{Reply, Request};
use crate::signal::{Avatar, Profile, Property, PropertyName, Reason, Wanted};
use crate::xmpp::stanza::print_text;
use crate::xmpp::translate::{Refusal, Scope};

const NAMESPACE: &str = "vcard-temp";

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE],
    account_features: &[NAMESPACE],
    payloads: &[Payload { name: "vCard", namespace: NAMESPACE, handler: Handler::Shared(answer) }],
};

fn answer(iq: &Iq<'_>) -> Answer {
    match (iq.target, iq.is_set) {
        (Target::Server, _) => Answer::Refuse(Refusal::SERVICE_UNAVAILABLE),
        (_, false) => show(iq),
        (Target::Account, true) => set(iq),
        (Target::Other, true) => Answer::Refuse(Refusal::FORBIDDEN),
    }
}

/// The profile, then the picture, each as far as it may be seen.
fn show(iq: &Iq<'_>) -> Answer {
    let (of, is_own) = (iq.account.clone(), iq.target == Target::Account);
    let request = Request::Enquire { of: of.clone(), wanted: Wanted::Profile };
    Answer::then(request, move |outcome| {
        let profile = match outcome {
            Ok(Reply::Profile(profile)) => profile.unwrap_or_default(),
            Ok(_) => return Answer::Refuse(Refusal::INTERNAL),
            Err(reject) => return Answer::Refuse(Refusal::from_reject(&reject, Scope::Routed)),
        };
        let request = Request::Enquire { of, wanted: Wanted::Picture { hash: None } };
        Answer::then(request, move |outcome| {
            let picture = match &outcome {
                Ok(Reply::Picture { avatar, bytes }) => Some((&**avatar, bytes)),
                _ => None,
            };
            // XEP-0054 §3.3: nobody can tell an account without a card from none.
            if picture.is_none() && profile.properties.is_empty() && !is_own {
                return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
            }
            Answer::Result(print(&profile, picture))
        })
    })
}

fn set(iq: &Iq<'_>) -> Answer {
    let Some(card) = iq.payload.to_element() else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let picture = match parse_photo(&card) {
        Ok(picture) => picture,
        Err(refusal) => return Answer::Refuse(refusal),
    };
    Answer::then(Request::SetProfile(parse(&card).into()), move |outcome| match outcome {
        Ok(_) => Answer::then(Request::SetAvatar(picture), move |outcome| match outcome {
            Ok(_) => Answer::done(),
            Err(reject) if reject.reason == Reason::UnsupportedMedia => {
                Answer::Refuse(Refusal::NOT_ACCEPTABLE)
            }
            Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
        }),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

/// The picture in a card; a card without one takes the picture off.
pub(in crate::xmpp) fn parse_photo(card: &Element) -> Result<Option<Bytes>, Refusal> {
    let binary = card.get_child("PHOTO", NAMESPACE).and_then(|photo| photo.get_child("BINVAL", NAMESPACE));
    let text: String = binary.map(Element::text).unwrap_or_default().split_ascii_whitespace().collect();
    if text.is_empty() {
        return Ok(None);
    }
    BASE64.decode(text).map(|bytes| Some(bytes.into())).map_err(|_| Refusal::BAD_REQUEST)
}

pub(in crate::xmpp) fn parse(card: &Element) -> Profile {
    let children = card.children().filter(|child| child.ns() == NAMESPACE && child.name() != "PHOTO");
    Profile { properties: children.map(parse_property).collect() }
}

fn parse_property(element: &Element) -> Property {
    let text = |name: &str| element.get_child(name, NAMESPACE).map(Element::text).unwrap_or_default();
    let simple = SIMPLE.iter().find(|(name, _)| *name == element.name());
    if let Some((_, name)) = simple {
        return Property { name: name.clone(), kinds: Vec::new(), values: vec![element.text()] };
    }
    let Some((_, name, parts)) = STRUCTURED.iter().find(|(name, ..)| *name == element.name()) else {
        let name = PropertyName::Native(NAMESPACE.into());
        return Property { name, kinds: Vec::new(), values: vec![String::from(element)] };
    };
    let is_kind = |child: &&Element| !parts.contains(&child.name()) && child.children().next().is_none();
    let kinds = element.children().filter(is_kind).map(|child| child.name().to_ascii_lowercase().into());
    let values = match name {
        PropertyName::Organisation => element.children().map(Element::text).collect(),
        _ => parts.iter().map(|part| text(part)).collect(),
    };
    let kinds = if *name == PropertyName::Organisation { Vec::new() } else { kinds.collect() };
    Property { name: name.clone(), kinds, values }
}

pub(in crate::xmpp) fn print(profile: &Profile, picture: Option<(&Avatar, &Bytes)>) -> String {
    let mut out = format!("<vCard xmlns='{NAMESPACE}'>");
    profile.properties.iter().for_each(|property| print_property(property, &mut out));
    if let Some((avatar, bytes)) = picture {
        let (kind, data) = (&avatar.media_type, BASE64.encode(bytes));
        out.push_str(&format!("<PHOTO><TYPE>{kind}</TYPE><BINVAL>{data}</BINVAL></PHOTO>"));
    }
    out.push_str("</vCard>");
    out
}

fn print_property(property: &Property, out: &mut String) {
    let Property { name, kinds, values } = property;
    if let Some((element, _)) = SIMPLE.iter().find(|(_, known)| known == name) {
        return print_element(element, values.first().map(String::as_str).unwrap_or_default(), out);
    }
    if *name == PropertyName::Native(NAMESPACE.into()) {
        return values.iter().for_each(|value| out.push_str(value));
    }
    let Some((element, _, parts)) = STRUCTURED.iter().find(|(_, known, _)| known == name) else { return };
    out.push_str(&format!("<{element}>"));
    for kind in kinds.iter().filter(|kind| KINDS.contains(&kind.as_str())) {
        out.push_str(&format!("<{}/>", kind.to_ascii_uppercase()));
    }
    for (index, value) in values.iter().enumerate() {
        // What comes after the last part is another one of its kind: units of an organisation.
        let part = parts.get(index).or_else(|| parts.last()).copied().unwrap_or_default();
        if !value.is_empty() {
            print_element(part, value, out);
        }
    }
    out.push_str(&format!("</{element}>"));
}

fn print_element(name: &str, text: &str, out: &mut String) {
    let mut escaped = Vec::new();
    print_text(text, &mut escaped);
    out.push_str(&format!("<{name}>{}</{name}>", String::from_utf8_lossy(&escaped)));
}

const SIMPLE: &[(&str, PropertyName)] = &[
    ("FN", PropertyName::FullName),
    ("NICKNAME", PropertyName::Nickname),
    ("URL", PropertyName::Url),
    ("BDAY", PropertyName::Birthday),
    ("TITLE", PropertyName::Title),
    ("ROLE", PropertyName::Role),
    ("DESC", PropertyName::Note),
    ("JABBERID", PropertyName::Messaging),
];
const STRUCTURED: &[(&str, PropertyName, &[&str])] = &[
    ("N", PropertyName::Name, &["FAMILY", "GIVEN", "MIDDLE", "PREFIX", "SUFFIX"]),
    ("EMAIL", PropertyName::Email, &["USERID"]),
    ("TEL", PropertyName::Telephone, &["NUMBER"]),
    ("ADR", PropertyName::Address, &["POBOX", "EXTADD", "STREET", "LOCALITY", "REGION", "PCODE", "CTRY"]),
    ("ORG", PropertyName::Organisation, &["ORGNAME", "ORGUNIT"]),
];
/// What may be said of an address or a number.
const KINDS: &[&str] = &[
    "home", "work", "postal", "parcel", "dom", "intl", "pref", "voice", "fax", "pager", "msg", "cell",
    "video", "bbs", "modem", "isdn", "pcs", "internet", "x400",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_read_and_printed_again() {
        let text = "<vCard xmlns='vcard-temp'><FN>A &amp; B</FN><N><FAMILY>B</FAMILY><GIVEN>A</GIVEN></N>\
            <NICKNAME>ab</NICKNAME><URL>http://a.example</URL><BDAY>1476-06-09</BDAY>\
            <ORG><ORGNAME>O</ORGNAME><ORGUNIT>U</ORGUNIT><ORGUNIT>V</ORGUNIT></ORG><TITLE>T</TITLE>\
            <TEL><WORK/><VOICE/><NUMBER>303-308-3282</NUMBER></TEL>\
            <ADR><WORK/><STREET>S</STREET><LOCALITY>L</LOCALITY><PCODE>1</PCODE><CTRY>C</CTRY></ADR>\
            <EMAIL><INTERNET/><PREF/><USERID>a@b</USERID></EMAIL><DESC>D</DESC></vCard>";
        assert_eq!(print(&parse(&text.parse().unwrap()), None), text);
    }

    #[test]
    fn what_is_unknown_is_kept_and_the_picture_taken_out() {
        let text = "<vCard xmlns='vcard-temp'><GEO><LAT>1</LAT></GEO><PHOTO><TYPE>image/gif</TYPE>\
            <BINVAL>YWJj\nZA==</BINVAL></PHOTO></vCard>";
        let card: Element = text.parse().unwrap();
        assert_eq!(parse_photo(&card).unwrap().as_deref(), Some(&b"abcd"[..]));
        let printed: Element = print(&parse(&card), None).parse().unwrap();
        assert!(printed.get_child("PHOTO", NAMESPACE).is_none());
        let geo = printed.get_child("GEO", NAMESPACE).unwrap();
        assert_eq!(geo.get_child("LAT", NAMESPACE).unwrap().text(), "1");
    }
}
