//! Text shapes that at least two doors need: XML read strictly, presence documents, lists of resources.
//!
//! # Invariants
//!
//! - Readers take text and limits, never a socket; any input gives a value or a typed error, in memory
//!   and time bounded by [`xml::Limits`].
//! - What is written is well-formed, and valid against the schemas of the RFC that is named, whatever
//!   text peers put into it.
//! - State is read from elements that mean it, never from words written for people.

pub mod pidf;
pub mod resource_lists;
pub mod rlmi;
pub mod xml;
