//! The layer as a whole, over real sockets on the loopback.

mod harness;
mod machines;
mod pair;
mod sockets;
