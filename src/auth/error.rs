//! Why somebody was not let in, or a credential not changed.

use crate::storage::StoreError;

/// A refusal of this room. Says nothing that tells whether an account exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No such account, a wrong password, a disabled account: not told apart.
    #[error("the name or the password is wrong")]
    Wrong,
    /// A token to log in again is right, and too old.
    #[error("the token is too old")]
    Expired,
    /// Too many guesses; another try makes sense after this many seconds.
    #[error("too many attempts, try again in {retry_after} seconds")]
    Throttled { retry_after: u32 },
    /// More logins wait than can be checked.
    #[error("the server is too busy to check a password")]
    Overloaded,
    /// A new password is empty, longer than 1024 bytes or has a character that cannot be typed alike
    /// everywhere.
    #[error("the password is empty, too long or has a character that is not allowed")]
    Password,
    /// A label is empty or longer than 100 bytes, or there are too many devices or tokens.
    #[error("{0}")]
    Limit(&'static str),
    #[error("there is no such account")]
    NoSuchAccount,
    #[error("the account exists already")]
    AccountExists,
    /// A stored verifier does not open with this key file.
    #[error("a stored credential cannot be opened with this key file")]
    Sealed,
    /// The key file cannot be used; the text names it.
    #[error("{0}")]
    KeyFile(String),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchAccount => Self::NoSuchAccount,
            StoreError::AccountExists => Self::AccountExists,
            StoreError::Overloaded => Self::Overloaded,
            other => Self::Store(other),
        }
    }
}
