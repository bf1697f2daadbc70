//! The account: one person's roster, presence, messages and policy.
