//! The physical limits: a bare relay that only moves bytes, and a file that only grows.

mod fsync;
mod relay;

pub use fsync::fsync;
pub use relay::{load, serve};
