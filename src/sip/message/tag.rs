//! The tags of From and To alone (RFC 3261 §19.3): what finds the dialog of a message, without reading
//! names and URIs that nobody asks for. The headers were checked when the message came.

use compact_str::CompactString;

use super::{
    address::NameAddr,
    name::HeaderName,
    span::Message,
    text::{split_quoted, trim},
};

impl Message {
    /// The `tag` of the first field of this name; `None` where there is none.
    #[must_use]
    pub fn tag(&self, name: HeaderName) -> Option<CompactString> {
        let field = self.field(name)?;
        match str::from_utf8(field.raw()) {
            Ok(text) if !text.contains('\n') => find_tag(text).map(CompactString::from),
            _ => NameAddr::parse(&field.text()).ok()?.tag().map(CompactString::from),
        }
    }
}

fn find_tag(text: &str) -> Option<&str> {
    let rest = split_quoted(text).map_or(text, |(_, rest)| rest);
    let tail = match rest.split_once('<') {
        Some((_, inside)) => inside.split_once('>')?.1,
        None => rest,
    };
    let mut tail = tail.split_once(';')?.1;
    loop {
        let (name, after) = tail.split_at_checked(tail.find([';', '=', '"'])?)?;
        tail = match after.strip_prefix('=') {
            Some(value) if trim(name).eq_ignore_ascii_case("tag") => return Some(first_piece(value)),
            // A quoted value may hold whatever ends another.
            Some(value) => match split_quoted(trim(value)) {
                Some((_, rest)) => rest.split_once(';')?.1,
                None => value.split_once(';')?.1,
            },
            None => after.strip_prefix(';')?,
        };
    }
}

fn first_piece(value: &str) -> &str {
    trim(value.split(';').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_that_a_full_reading_finds() {
        for text in [
            "<sip:a@h>;tag=1",
            "<sip:a@h;tag=uri>;x=y; TAG = 2 ;z",
            "\"a <sip:x>;tag=no\" <sip:a@h>;tag=3",
            "\"a\\\" <sip:x>;tag=no\" <sip:a@h>",
            "sip:a@h;tag=4",
            "sip:a@h",
            "<sip:a@h>",
            "Bob <sip:a@h>;lr;tag=5;tag=6",
            "<sip:a@h>;x=\";tag=no\";tag=7",
            "<sip:a@h>;x=\";tag=no\"",
            "<sip:a@h>;tagged=1;tag=8",
        ] {
            let full = NameAddr::parse(text).unwrap();
            assert_eq!(find_tag(text), full.tag(), "{text}");
        }
        for text in ["", "<", "<sip:a", "\"", ";", ";tag", "<>;\"", ";=;tag", ";a=\"b"] {
            assert_eq!(find_tag(text), None, "{text}");
        }
    }
}
