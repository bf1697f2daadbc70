//! `org.openmobilealliance.pres-content`: the owner's icon, for whoever may see her picture (OMA Presence
//! Content).
//!
//! Beyond the schema: it is a picture of a known kind, in base64, and not too large.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Application, Conflict, Context, Names, Origin, Readers};
use crate::{
    documents::{
        schema::{Content, Declaration, Kind, LANG, Namespace, Others, Particle, Schema, Simple, Term, XML},
        tree::{Element, Tree},
    },
    formats::xml,
    signal::Avatar,
};

/// The application.
pub(super) static APPLICATION: Application = Application {
    auid: "org.openmobilealliance.pres-content",
    media_type: "application/vnd.oma.pres-content+xml",
    default_namespace: PRES_CONTENT,
    namespaces: &[PRES_CONTENT],
    names: Names::One { name: "oma_status-icon/index", aliases: &[] },
    stored_as: "org.openmobilealliance.pres-content",
    readers: Readers::Picture,
    origin: Origin::Stored,
    schema: &SCHEMA,
    root: &ROOT,
    constraints: check,
};

static SCHEMA: Schema = Schema { namespaces: &[&NAMESPACE, &XML] };
static NAMESPACE: Namespace = Namespace { name: PRES_CONTENT, elements: &[ROOT], attributes: &[] };

const ROOT: Declaration = element("content", &CONTENT);
static CONTENT: Kind = Kind {
    attributes: &[],
    others: Others::Anything,
    content: Content::Elements(Particle::one(Term::Sequence(&[
        Particle::maybe(Term::Element(&element("mime-type", &TEXT))),
        Particle::maybe(Term::Element(&element("encoding", &TEXT))),
        Particle::many(Term::Element(&element("description", &DESCRIPTION))),
        Particle::one(Term::Element(&element("data", &TEXT))),
        Particle::many(Term::Any(Others::NotOf(PRES_CONTENT))),
    ]))),
};

static TEXT: Kind =
    Kind { attributes: &[], others: Others::Anything, content: Content::Text(Simple::String) };
static DESCRIPTION: Kind =
    Kind { attributes: &[LANG], others: Others::Anything, content: Content::Text(Simple::String) };

const fn element(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: PRES_CONTENT, name, kind }
}

/// A picture of the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icon {
    /// One of the known kinds of pictures.
    pub media_type: &'static str,
    /// The picture itself.
    pub data: Vec<u8>,
}

/// The picture that a document has.
///
/// # Errors
/// [`Conflict::Constraint`]: it is of another kind, or in another encoding.
pub fn read(tree: &Tree) -> Result<Icon, Conflict> {
    picture(tree.root())
}

/// The document of a picture.
#[must_use]
pub fn print(media_type: &str, data: &[u8]) -> String {
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<content xmlns=\"{PRES_CONTENT}\">");
    xml::push_element(&mut out, "mime-type", media_type);
    xml::push_element(&mut out, "encoding", "base64");
    xml::push_element(&mut out, "data", &STANDARD.encode(data));
    out.push_str("</content>\n");
    out
}

fn check(root: Element<'_>, _: &Context<'_>) -> Result<(), Conflict> {
    if base64(root).len() > MOST_BASE64 {
        return Err(refusal("the picture is larger than 300 KiB in base64"));
    }
    picture(root).map(drop)
}

fn picture(root: Element<'_>) -> Result<Icon, Conflict> {
    let text =
        |name| root.element(PRES_CONTENT, name).map(|element| element.text().trim().to_ascii_lowercase());
    let kind = text("mime-type").and_then(|kind| Avatar::TYPES.iter().find(|known| **known == kind));
    let Some(media_type) = kind else { return Err(refusal("the picture is no PNG, JPEG, GIF or WebP")) };
    if text("encoding").is_none_or(|encoding| encoding != "base64") {
        return Err(refusal("the picture is not in base64"));
    }
    match STANDARD.decode(base64(root)) {
        Ok(data) if !data.is_empty() => Ok(Icon { media_type, data }),
        Ok(_) => Err(refusal("there is no picture")),
        Err(_) => Err(refusal("the picture is not in base64")),
    }
}

/// The picture as it is written, white space left out.
fn base64(root: Element<'_>) -> Vec<u8> {
    let data = root.element(PRES_CONTENT, "data").map(Element::text).unwrap_or_default();
    data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

fn refusal(phrase: &str) -> Conflict {
    Conflict::Constraint(phrase.into())
}

/// Most bytes of a picture as it is written, white space left out.
const MOST_BASE64: usize = 300 * 1024;

const PRES_CONTENT: &str = "urn:oma:xml:prs:pres-content";
