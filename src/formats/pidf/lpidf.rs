//! `text/lpidf`: the presentity, then a line for each address that takes communication. It has no words
//! for anything else.

use super::{model::Document, tree::print_quality};

pub(super) fn print(document: &Document) -> String {
    let mut out = format!("To: <{}>\r\n", document.entity);
    for tuple in document.tuples.iter().filter(|tuple| tuple.is_open()) {
        let uri = tuple.contact.as_ref().map_or(&document.entity, |contact| &contact.uri);
        out.push_str("Contact: <");
        out.push_str(uri);
        out.push('>');
        if let Some(priority) = tuple.contact.as_ref().and_then(|contact| contact.priority) {
            out.push_str(";q=");
            out.push_str(&print_quality(priority));
        }
        out.push_str("\r\n");
    }
    out
}
