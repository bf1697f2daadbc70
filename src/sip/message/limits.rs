//! How large a message may be before it is refused. Every parser of this room takes these.

/// Bounds on one SIP message. All sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Start line and headers together, with the empty line. Default 32 KiB.
    pub head: usize,
    /// The body. Default 64 KiB.
    pub body: usize,
    /// One header field, folded lines together. Default 8 KiB.
    pub line: usize,
    /// Number of header fields. Default 256.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 32 * 1024, body: 64 * 1024, line: 8 * 1024, headers: 256 }
    }
}
