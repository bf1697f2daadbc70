//! Browsers, as far as a server sees them: a login over HTTP, then JSON over a WebSocket (docs/api.md).

mod chat;
mod socket;

pub use chat::chat;
