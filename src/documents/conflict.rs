//! Why a document cannot become what was asked for: the errors of RFC 4825 §11.

/// A conflict with what a document has to be. Phrases are for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The document is not well-formed XML.
    #[error("document is not well-formed: {0}")]
    NotWellFormed(String),
    /// The element is not well-formed, or it is not one element.
    #[error("no element in xml: {0}")]
    NotXmlFragment(String),
    /// What it was to be put into does not exist.
    #[error("what it belongs into does not exist")]
    NoParent {
        /// The closest that does, as a URI relative to the document, escaped.
        ancestor: Option<String>,
    },
    /// The document would not be valid by its application's schema.
    #[error("document is not valid: {0}")]
    SchemaValidation(String),
    /// The attribute's value is none.
    #[error("no value of an attribute: {0}")]
    NotAttributeValue(String),
    /// What is put would not be what is got.
    #[error("cannot insert: {0}")]
    CannotInsert(String),
    /// What is deleted would leave something of the same name.
    #[error("cannot delete: {0}")]
    CannotDelete(String),
    /// These would not be unique; at least one.
    #[error("what has to be unique is not")]
    Uniqueness(Vec<Exists>),
    /// The document would break a constraint of its application.
    #[error("constraint failed: {0}")]
    Constraint(String),
    /// The document would not be in UTF-8.
    #[error("document is not in utf-8")]
    NotUtf8,
}

/// What is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exists {
    /// The element or attribute, as a URI relative to the document, escaped.
    pub field: String,
    /// Values that are free.
    pub alternatives: Vec<String>,
}
