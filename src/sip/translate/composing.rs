//! Typing indications: `application/im-iscomposing+xml` (RFC 3994).

use crate::signal::Typing;

/// The media type.
pub(super) const TYPE: &str = "application/im-iscomposing+xml";

/// Reads what the hands of the sender do; `None` for anything that is no such document.
pub(super) fn parse(text: &str) -> Option<Typing> {
    // The size first: some of the parser's checks take the square of it.
    let document = (text.len() <= LARGEST).then(|| roxmltree::Document::parse(text).ok())??;
    let root = document.root_element();
    if root.tag_name().name() != "isComposing" || root.tag_name().namespace() != Some(NAMESPACE) {
        return None;
    }
    let state = root.children().find(|child| child.tag_name().name() == "state")?;
    Some(if state.text()?.trim() == "active" { Typing::Composing } else { Typing::Paused })
}

/// Writes it. Everything but composing is "idle"; an active one lasts 120 s unless it is refreshed
/// (RFC 3994 §3.3).
pub(super) fn print(typing: Typing) -> String {
    let (state, refresh) = match typing {
        Typing::Composing => ("active", "<refresh>120</refresh>"),
        Typing::Active | Typing::Paused | Typing::Inactive | Typing::Gone => ("idle", ""),
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<isComposing xmlns=\"{NAMESPACE}\"><state>{state}</state>\
         <contenttype>text/plain</contenttype>{refresh}</isComposing>\r\n"
    )
}

const NAMESPACE: &str = "urn:ietf:params:xml:ns:im-iscomposing";
/// Largest document that is looked at, in bytes.
const LARGEST: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_and_written() {
        assert_eq!(parse(&print(Typing::Composing)), Some(Typing::Composing));
        assert_eq!(parse(&print(Typing::Gone)), Some(Typing::Paused));
        for bad in [
            "",
            "<isComposing/>",
            "<a xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state></a>",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
