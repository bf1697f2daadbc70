//! The bounds of the scanner: what one peer may make it hold.

/// How much one peer may make the scanner hold. Every cap is checked before memory is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one stanza, markup included (RFC 6120 §13.12 wants at least 10 000). Default 262 144.
    pub stanza_bytes: usize,
    /// Elements inside one another, the stanza itself being the first. Default 64.
    pub depth: usize,
    /// Attributes of one element, namespace declarations included. Default 32.
    pub attributes: usize,
    /// Namespace declarations in scope inside one stanza, those of the stream header apart. Default 64.
    pub bindings: usize,
    /// Direct children of one stanza. Default 1024.
    pub children: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { stanza_bytes: 262_144, depth: 64, attributes: 32, bindings: 64, children: 1024 }
    }
}

impl Limits {
    /// The limits for a peer that has not proved who it is: one stanza is a SASL or TLS element.
    pub fn before_login() -> Self {
        Self { stanza_bytes: 16_384, depth: 8, attributes: 16, bindings: 16, children: 16 }
    }
}
