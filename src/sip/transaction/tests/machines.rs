//! The machines one by one.
