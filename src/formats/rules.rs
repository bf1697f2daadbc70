//! Rules in XML: common policy (RFC 4745), presence authorization (RFC 5025), the conditions of OMA's
//! common policy, and the shape of them that SER's presence module read.
//!
//! Clients write identities with every delimiter escaped and without scheme (`alice%40example.org`):
//! they are unescaped before they are read. A condition that is not known is kept as one that never
//! holds; anything else that is not known is left out.

mod read;
mod write;

use super::xml::XmlError;

pub use read::{parse, read_entity};
pub use write::print;

/// The media type of such documents.
pub const MEDIA_TYPE: &str = "application/auth-policy+xml";

/// Why a text is no ruleset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    #[error(transparent)]
    Xml(#[from] XmlError),
    #[error("the document is no ruleset of common policy")]
    Root,
    #[error("a rule has no id, or one of another rule")]
    Id,
    #[error("{0} is no handling of a subscription")]
    Handling(String),
    #[error("a validity is no pairs of times")]
    Validity,
    #[error("{0} is no value of a permission")]
    Permission(String),
    #[error("there are too many rules, or too much in them")]
    TooMuch,
}

const COMMON_POLICY: &str = "urn:ietf:params:xml:ns:common-policy";
const PRES_RULES: &str = "urn:ietf:params:xml:ns:pres-rules";
/// Of rules on who may write, as SER's modules had them.
const IM_RULES: &str = "urn:iptel:xml:ns:im-rules";
/// Of rules on who may follow calls, as Blink has them.
const DIALOG_RULES: &str = "urn:ag-projects:xml:ns:dialog-rules";
const OMA: &str = "urn:oma:xml:xdm:common-policy";

#[cfg(test)]
mod tests;
