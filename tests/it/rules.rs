//! The owner's policy and her automated rules, seen by phones, chat clients and pages.

mod policy;
