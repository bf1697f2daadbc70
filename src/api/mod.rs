//! The web door: REST and WebSocket for the browser client and for programs.
