//! Tokens by which a client logs in again without its password (XEP-0484), and how one is proved: with HT
//! (draft-schmaus-sasl-ht), in one message each way. Pure: time and chance are arguments.
//!
//! The mechanism keys an HMAC with the token itself, so a hash of it would be as good as the token to whoever
//! steals it. Tokens are therefore sealed like every other verifier of this room.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::signal::Timestamp;

use super::key::hmac;

/// What of the TLS connection a token is proved together with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FastBinding {
    /// Nothing: for clients that cannot see their connection, such as those in a browser.
    None,
    /// `tls-server-end-point` (RFC 5929 §4).
    EndPoint,
    /// `tls-exporter` (RFC 9266).
    Exporter,
}

/// What a client says to prove that it has a token.
#[derive(Clone, PartialEq, Eq)]
pub struct FastProof {
    pub binding: FastBinding,
    /// What the connection has of that binding; empty for [`FastBinding::None`].
    pub bound: Vec<u8>,
    /// HMAC-SHA-256 over the word of the initiator and the binding, keyed by the token.
    pub hashed: Vec<u8>,
    /// How often it used the token, where it counts.
    pub count: Option<u32>,
}

/// Prints no proof.
impl fmt::Debug for FastProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastProof").field("binding", &self.binding).finish_non_exhaustive()
    }
}

/// A token just made. The only time that it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FastToken {
    pub text: String,
    pub expires: Timestamp,
}

/// The tokens of one client: the one that it uses, and one that it was given and may not have heard of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tokens {
    current: Option<Token>,
    next: Option<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Token {
    text: String,
    binding: FastBinding,
    issued: Timestamp,
    expires: Timestamp,
    /// The client's count at its last use.
    count: Option<u32>,
}

/// Why a proof is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It fits no token, or was used before.
    Wrong,
    /// It fits a token that is no longer good.
    Expired,
}

impl Tokens {
    /// Takes a proof, and ends the token that the client had before the one it proved. What comes back proves to
    /// the client that we know the token too.
    pub(super) fn take(&mut self, proof: &FastProof, now: Timestamp) -> Result<Vec<u8>, Unfit> {
        if self.next.as_ref().is_some_and(|token| token.fits(proof)) {
            self.current = self.next.take();
        }
        let token = self.current.as_mut().filter(|token| token.fits(proof)).ok_or(Unfit::Wrong)?;
        if token.expires <= now {
            return Err(Unfit::Expired);
        }
        if proof.count.is_some() && proof.count <= token.count {
            return Err(Unfit::Wrong);
        }
        token.count = proof.count.or(token.count);
        Ok(hmac(token.text.as_bytes(), &[RESPONDER, &proof.bound]).to_vec())
    }

    /// The binding of a new token that the client should have, since the one it uses is old.
    pub(super) fn due(&self, now: Timestamp) -> Option<FastBinding> {
        let token = self.current.as_ref()?;
        (token.issued.plus_seconds(FRESH_SECONDS) <= now).then_some(token.binding)
    }

    /// Ends all of them.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Gives the client a new one. The one that it uses stays good until it uses this.
    pub(super) fn issue(&mut self, binding: FastBinding, now: Timestamp, token: FastToken) {
        let FastToken { text, expires } = token;
        self.next = Some(Token { text, binding, issued: now, expires, count: None });
    }

    /// Whether one of them is good now.
    pub(super) fn is_any_good(&self, now: Timestamp) -> bool {
        [&self.current, &self.next].into_iter().flatten().any(|token| token.expires > now)
    }
}

impl Token {
    fn fits(&self, proof: &FastProof) -> bool {
        let expected = hmac(self.text.as_bytes(), &[INITIATOR, &proof.bound]);
        let is_same = bool::from(expected[..].ct_eq(&proof.hashed));
        is_same && self.binding == proof.binding
    }
}

const INITIATOR: &[u8] = b"Initiator";
const RESPONDER: &[u8] = b"Responder";
/// How old a token is when the next login replaces it: a day.
const FRESH_SECONDS: i64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn proof(text: &str, binding: FastBinding, count: Option<u32>) -> FastProof {
        let bound = if binding == FastBinding::None { Vec::new() } else { vec![7; 32] };
        let hashed = hmac(text.as_bytes(), &[b"Initiator", &bound]).to_vec();
        FastProof { binding, bound, hashed, count }
    }

    fn plain(text: &str) -> FastProof {
        proof(text, FastBinding::None, None)
    }

    fn token(text: &str) -> FastToken {
        FastToken { text: text.to_owned(), expires: NOW.plus_seconds(30 * 24 * 3600) }
    }

    fn with(text: &str) -> Tokens {
        let mut tokens = Tokens::default();
        tokens.issue(FastBinding::None, NOW, token(text));
        tokens
    }

    #[test]
    fn right_token_is_taken_and_answered() {
        let mut tokens = with("a");
        let answer = hmac(b"a", &[b"Responder"]).to_vec();
        assert_eq!(tokens.take(&plain("a"), NOW), Ok(answer));
        assert_eq!(tokens.take(&plain("b"), NOW), Err(Unfit::Wrong));
        assert!(tokens.take(&plain("a"), NOW).is_ok(), "a token is good for more than one login");
    }

    #[test]
    fn a_token_is_good_for_its_own_mechanism_only() {
        let mut tokens = Tokens::default();
        tokens.issue(FastBinding::Exporter, NOW, token("a"));
        assert_eq!(tokens.take(&plain("a"), NOW), Err(Unfit::Wrong));
        assert_eq!(tokens.take(&proof("a", FastBinding::EndPoint, None), NOW), Err(Unfit::Wrong));
        let other = FastProof { bound: vec![8; 32], ..proof("a", FastBinding::Exporter, None) };
        assert_eq!(tokens.take(&other, NOW), Err(Unfit::Wrong), "another connection");
        assert!(tokens.take(&proof("a", FastBinding::Exporter, None), NOW).is_ok());
    }

    #[test]
    fn the_old_token_is_good_until_the_new_one_is_used() {
        let mut tokens = with("old");
        assert!(tokens.take(&plain("old"), NOW).is_ok());
        assert_eq!(tokens.due(NOW.plus_seconds(3600)), None);
        let later = NOW.plus_seconds(FRESH_SECONDS);
        assert_eq!(tokens.due(later), Some(FastBinding::None));
        tokens.issue(FastBinding::None, later, token("lost"));
        tokens.issue(FastBinding::None, later, token("new"));
        assert_eq!(tokens.take(&plain("lost"), later), Err(Unfit::Wrong));
        assert!(tokens.take(&plain("old"), later).is_ok());
        assert!(tokens.take(&plain("new"), later).is_ok());
        assert_eq!(tokens.take(&plain("old"), later), Err(Unfit::Wrong));
    }

    #[test]
    fn an_expired_token_is_told_from_a_wrong_one() {
        let mut tokens = with("a");
        let late = NOW.plus_seconds(30 * 24 * 3600);
        assert_eq!(tokens.take(&plain("a"), late), Err(Unfit::Expired));
        assert_eq!(tokens.take(&plain("b"), late), Err(Unfit::Wrong));
        assert!(tokens.is_any_good(NOW) && !tokens.is_any_good(late));
    }

    #[test]
    fn a_counted_use_is_not_taken_again() {
        let mut tokens = with("a");
        for (count, expected) in [(Some(1), true), (Some(1), false), (Some(3), true), (Some(2), false)] {
            let taken = tokens.take(&proof("a", FastBinding::None, count), NOW).is_ok();
            assert_eq!(taken, expected, "{count:?}");
        }
    }

    #[test]
    fn an_ended_token_is_gone() {
        let mut tokens = with("a");
        tokens.end();
        assert_eq!(tokens.take(&plain("a"), NOW), Err(Unfit::Wrong));
    }
}
