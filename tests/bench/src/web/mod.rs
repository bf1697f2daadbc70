//! Browsers, as far as a server sees them: a login over HTTP, then JSON over a WebSocket (docs/api.md); and clients
//! of documents (docs/xcap.md).

mod chat;
mod document;
mod socket;

pub use chat::chat;
pub use document::document;
