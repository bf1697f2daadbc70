//! Why a text is no tree.

/// What is wrong with a text, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Its bytes are not UTF-8, or it says that it is in another encoding.
    #[error("text is not in utf-8")]
    NotUtf8,
    /// It is not well-formed, or a namespace prefix is not declared.
    #[error("{what} at byte {at}")]
    Malformed { at: usize, what: &'static str },
    /// It has a document type declaration, which nothing here reads.
    #[error("document type declarations are not read")]
    DocumentType,
    /// It breaks a limit, which the text names.
    #[error("document is larger than the limit of {most} {what}")]
    TooLarge { what: &'static str, most: usize },
}
