//! XEP-0363: HTTP File Upload: places for files of the own account. The files themselves come and go over the web
//! listeners.

use super::{Answer, Handler, Iq, Module, Payload, Target, disco::Identity};
use crate::account::NewFile;
use crate::formats::percent::encode;
use crate::signal::Reason;
use crate::xmpp::chance::Chance;
use crate::xmpp::stanza::print_attribute;
use crate::xmpp::translate::{Refusal, Scope};

pub(in crate::xmpp) const NAMESPACE: &str = "urn:xmpp:http:upload:0";

/// Announced where files are taken.
pub(super) const IDENTITY: Identity = Identity { category: "store", kind: "file", name: "HTTP File Upload" };

/// Its feature is announced where files are taken: see [`super::announced::Announced`].
pub(super) const MODULE: Module = Module {
    payloads: &[Payload { name: "request", namespace: NAMESPACE, handler: Handler::Get(reserve) }],
    ..Module::NONE
};

fn reserve(iq: &Iq<'_>) -> Answer {
    let base = iq.shared.uploads();
    if iq.target != Target::Server || base.is_empty() {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let text = |name| iq.payload.attribute(name);
    let size = text("size").and_then(|size| size.parse::<u64>().ok()).filter(|size| *size > 0);
    let (Some(title), Some(size)) = (text("filename").and_then(|name| title_of(&name)), size) else {
        return Answer::Refuse(Refusal::BAD_REQUEST);
    };
    let media_type = text("content-type").filter(|text| is_media_type(text));
    let media_type = media_type.map_or_else(|| UNKNOWN.to_owned(), |text| text.into_owned());
    let name = Chance::default().text();
    let url = format!("{base}/{name}/{}", encode(&title));
    let (accounts, owner) = (iq.shared.accounts.clone(), iq.asker.address.clone());
    Answer::work(async move {
        let most = accounts.file_bytes();
        match accounts.reserve_file(&owner, NewFile { name, title, media_type, size }).await {
            Ok(()) => Answer::Result(print_slot(&url)),
            Err(reject) if reject.reason == Reason::TooLarge => Answer::Refuse(too_large(most)),
            Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
        }
    })
}

/// What may stand as the last part of a path: no folders, nothing that does not show.
fn title_of(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next()?;
    let mut title: String = last.chars().filter(|c| !c.is_control()).collect();
    while title.len() > LONGEST_TITLE {
        title.pop();
    }
    let title = title.trim();
    (!title.is_empty() && title != "." && title != "..").then(|| title.to_owned())
}

/// `type/subtype`, perhaps with parameters, of visible characters.
fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let is_fine =
        essence.trim_end().split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
    is_fine && text.len() <= 255 && parameters.bytes().all(|byte| (b' '..0x7f).contains(&byte))
}

fn print_slot(url: &str) -> String {
    let mut address = Vec::new();
    print_attribute(url, &mut address);
    let address = String::from_utf8_lossy(&address);
    format!("<slot xmlns='{NAMESPACE}'><put url='{address}'/><get url='{address}'/></slot>")
}

fn too_large(most: u64) -> Refusal {
    let detail =
        format!("<file-too-large xmlns='{NAMESPACE}'><max-file-size>{most}</max-file-size></file-too-large>");
    Refusal::NOT_ACCEPTABLE.with_detail(detail)
}

const UNKNOWN: &str = "application/octet-stream";
const LONGEST_TITLE: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_names_without_folders() {
        for (name, expected) in [
            ("très cool.jpg", Some("très cool.jpg")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\a\\b.txt", Some("b.txt")),
            ("a\u{7}b\n", Some("ab")),
            ("..", None),
            ("a/", None),
            ("  ", None),
        ] {
            assert_eq!(title_of(name).as_deref(), expected, "{name}");
        }
        assert!(title_of(&"ü".repeat(500)).is_some_and(|title| title.len() <= LONGEST_TITLE));
        assert_eq!(encode("très cool.jpg"), "tr%C3%A8s%20cool.jpg");
    }

    #[test]
    fn media_types_are_types() {
        for (text, expected) in [
            ("image/png", true),
            ("text/plain; charset=utf-8", true),
            ("image/svg+xml", true),
            ("image", false),
            ("image/png\r\nX: y", false),
            ("image/png; a=\r\nX: y", false),
            ("/", false),
            ("a b/c", false),
        ] {
            assert_eq!(is_media_type(text), expected, "{text:?}");
        }
    }
}
