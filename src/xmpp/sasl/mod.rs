//! The server's side of SASL (RFC 6120 §6): PLAIN (RFC 4616), SCRAM with and without channel binding
//! (RFC 5802, RFC 7677, RFC 9266, RFC 5929), and the proof of a token (draft-schmaus-sasl-ht).
//!
//! Pure state: it neither looks passwords up nor draws random numbers. What it needs it asks for as
//! [`Step`], and the connection task brings it. No XML here.
//!
//! # Invariants
//!
//! - PLAIN is offered only where the configuration says that the connection is safe.
//! - A `-PLUS` mechanism is offered only when there is something to bind to, and a client that says that
//!   we did not offer one is refused when we did (RFC 5802 §6).
//! - Proofs are compared in constant time.

mod downgrade;
mod exchange;
mod hashed_token;
mod scram;

#[cfg(test)]
mod tests;

pub use exchange::{Exchange, Step};
pub use scram::Bindings;

pub use crate::auth::{
    FastBinding as TokenBinding, FastProof as TokenProof, ScramHash as Hash, ScramVerifier as Verifier,
};

/// A mechanism this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Scram {
        hash: Hash,
        is_plus: bool,
    },
    /// The proof of a token; offered in XEP-0484 alone.
    HashedToken(TokenBinding),
}

/// Strongest first, which is the order of the offer.
const MECHANISMS: [(Mechanism, &str); 7] = [
    (Mechanism::Scram { hash: Hash::Sha512, is_plus: true }, "SCRAM-SHA-512-PLUS"),
    (Mechanism::Scram { hash: Hash::Sha256, is_plus: true }, "SCRAM-SHA-256-PLUS"),
    (Mechanism::Scram { hash: Hash::Sha1, is_plus: true }, "SCRAM-SHA-1-PLUS"),
    (Mechanism::Scram { hash: Hash::Sha512, is_plus: false }, "SCRAM-SHA-512"),
    (Mechanism::Scram { hash: Hash::Sha256, is_plus: false }, "SCRAM-SHA-256"),
    (Mechanism::Scram { hash: Hash::Sha1, is_plus: false }, "SCRAM-SHA-1"),
    (Mechanism::Plain, "PLAIN"),
];

/// For tokens, strongest first.
const TOKEN_MECHANISMS: [(Mechanism, &str); 3] = [
    (Mechanism::HashedToken(TokenBinding::Exporter), "HT-SHA-256-EXPR"),
    (Mechanism::HashedToken(TokenBinding::EndPoint), "HT-SHA-256-ENDP"),
    (Mechanism::HashedToken(TokenBinding::None), "HT-SHA-256-NONE"),
];

impl Mechanism {
    /// The registered name.
    pub fn name(self) -> &'static str {
        MECHANISMS
            .iter()
            .chain(&TOKEN_MECHANISMS)
            .find(|(mechanism, _)| *mechanism == self)
            .map_or("", |(_, name)| name)
    }
}

/// What may be offered on one connection.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// Whether a password in the clear may cross this connection.
    pub allows_plain: bool,
    /// Whether tokens are taken and given.
    pub allows_tokens: bool,
    /// What the connection can be bound to.
    pub bindings: Bindings,
}

impl Offer {
    /// The mechanisms on offer, strongest first.
    pub fn mechanisms(&self) -> impl Iterator<Item = &'static str> {
        MECHANISMS.iter().filter(|(mechanism, _)| self.allows(*mechanism)).map(|(_, name)| *name)
    }

    /// The mechanism of this name, if it is on offer.
    pub fn find(&self, name: &str) -> Option<Mechanism> {
        let (mechanism, _) = MECHANISMS.iter().find(|(_, known)| *known == name)?;
        self.allows(*mechanism).then_some(*mechanism)
    }

    /// The mechanisms for tokens on offer, strongest first.
    pub fn token_mechanisms(&self) -> impl Iterator<Item = &'static str> {
        TOKEN_MECHANISMS.iter().filter(|(mechanism, _)| self.allows(*mechanism)).map(|(_, name)| *name)
    }

    /// What tokens of this mechanism are proved with, if it is on offer.
    pub fn find_token(&self, name: &str) -> Option<TokenBinding> {
        let (mechanism, _) = TOKEN_MECHANISMS.iter().find(|(_, known)| *known == name)?;
        match mechanism {
            Mechanism::HashedToken(binding) if self.allows(*mechanism) => Some(*binding),
            _ => None,
        }
    }

    fn allows(&self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::Plain => self.allows_plain,
            Mechanism::HashedToken(binding) => self.allows_tokens && self.bindings.of(binding).is_some(),
            Mechanism::Scram { is_plus, .. } => !is_plus || !self.bindings.is_empty(),
        }
    }
}

/// Why an exchange failed (RFC 6120 §6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("aborted")]
    Aborted,
    #[error("account disabled")]
    AccountDisabled,
    #[error("credentials expired")]
    CredentialsExpired,
    #[error("encryption required")]
    EncryptionRequired,
    #[error("incorrect encoding")]
    IncorrectEncoding,
    #[error("invalid authzid")]
    InvalidAuthzid,
    #[error("invalid mechanism")]
    InvalidMechanism,
    #[error("malformed request")]
    MalformedRequest,
    #[error("not authorized")]
    NotAuthorized,
    #[error("temporary failure")]
    Temporary,
}

impl Failure {
    /// The element name inside `<failure/>`.
    pub fn condition(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::AccountDisabled => "account-disabled",
            Self::CredentialsExpired => "credentials-expired",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::NotAuthorized => "not-authorized",
            Self::Temporary => "temporary-auth-failure",
        }
    }
}
