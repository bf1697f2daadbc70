//! Credentials and their verification.
