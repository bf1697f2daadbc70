//! One authentication exchange, from the chosen mechanism to its outcome.

use std::borrow::Cow;

use super::scram::{Bindings, ClientFirst, Waiting};
use super::{Failure, Hash, Mechanism, Offer, TokenProof, Verifier, downgrade, hashed_token};

/// What is to happen next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this challenge and wait for the response.
    Challenge(Vec<u8>),
    /// Check this password, then tell the client the outcome. The exchange has no more to say.
    CheckPassword { username: String, password: String, authzid: Option<String> },
    /// Look up the verifier and call [`Exchange::handle_verifier`].
    NeedVerifier { username: String, hash: Hash },
    /// Check this proof, then tell the client the outcome. The exchange has no more to say.
    CheckToken { username: String, proof: TokenProof },
    /// The client proved to be `username`. Send `additional` with the success.
    Success { username: String, authzid: Option<String>, additional: Vec<u8> },
    /// The client gave a wrong proof for `username`: count it, then tell the failure.
    WrongProof { username: String },
}

/// The state of one exchange.
pub struct Exchange {
    state: State,
    bindings: Bindings,
    /// What a SCRAM client is told of the offer (XEP-0474).
    protection: Option<String>,
}

enum State {
    /// The client was asked to begin.
    Start(Mechanism),
    /// The SCRAM client has begun; its verifier is being looked up.
    Verifier(Box<ClientFirst>),
    /// The challenge was sent.
    Proof(Box<Waiting>),
    Ended,
}

impl Exchange {
    /// An exchange by a mechanism that `offer` has.
    pub fn new(mechanism: Mechanism, offer: &Offer) -> Self {
        Self { state: State::Start(mechanism), bindings: offer.bindings.clone(), protection: None }
    }

    /// The same; a client by SCRAM can tell whether the offer reached it as it was (XEP-0474).
    #[must_use]
    pub fn protected(self, offer: &Offer) -> Self {
        let protection = match self.state {
            State::Start(Mechanism::Scram { hash, .. }) => Some(downgrade::protect(offer, hash)),
            _ => None,
        };
        Self { protection, ..self }
    }

    /// Takes what the client sent, decoded from base64. `None` when it chose a mechanism without saying
    /// anything yet; both of ours let the client speak first, so the answer is an empty challenge.
    ///
    /// # Errors
    ///
    /// The failure to tell the client; the exchange is over.
    pub fn handle_response(&mut self, response: Option<&[u8]>) -> Result<Step, Failure> {
        match (std::mem::replace(&mut self.state, State::Ended), response) {
            (State::Start(mechanism), None) => {
                self.state = State::Start(mechanism);
                Ok(Step::Challenge(Vec::new()))
            }
            (State::Start(Mechanism::Plain), Some(response)) => parse_plain(response),
            (State::Start(Mechanism::HashedToken(binding)), Some(response)) => {
                hashed_token::parse(response, binding, &self.bindings)
            }
            (State::Start(Mechanism::Scram { hash, is_plus }), Some(response)) => {
                let first = ClientFirst::parse(response, hash, is_plus, &self.bindings)?;
                let username = first.username().to_owned();
                self.state = State::Verifier(Box::new(first));
                Ok(Step::NeedVerifier { username, hash })
            }
            (State::Proof(waiting), Some(response)) => waiting.check(response),
            _ => Err(Failure::MalformedRequest),
        }
    }

    /// Takes the verifier that was asked for, and `nonce`: at least 18 random bytes, printable, without comma.
    ///
    /// # Errors
    ///
    /// [`Failure::MalformedRequest`] when no verifier was asked for.
    pub fn handle_verifier(&mut self, verifier: Verifier, nonce: &str) -> Result<Step, Failure> {
        let State::Verifier(first) = std::mem::replace(&mut self.state, State::Ended) else {
            return Err(Failure::MalformedRequest);
        };
        let (waiting, challenge) = first.challenge(verifier, nonce, self.protection.as_deref());
        self.state = State::Proof(Box::new(waiting));
        Ok(Step::Challenge(challenge))
    }
}

/// RFC 4616 §2: `[authzid] NUL authcid NUL passwd`.
fn parse_plain(response: &[u8]) -> Result<Step, Failure> {
    let text = std::str::from_utf8(response).map_err(|_| Failure::MalformedRequest)?;
    let parts: Vec<&str> = text.split('\0').collect();
    let &[authzid, username, password] = parts.as_slice() else { return Err(Failure::MalformedRequest) };
    if username.is_empty() || password.is_empty() || response.len() > LONGEST_PLAIN {
        return Err(Failure::MalformedRequest);
    }
    Ok(Step::CheckPassword {
        username: prepare(username)?.into_owned(),
        password: password.to_owned(),
        authzid: (!authzid.is_empty()).then(|| authzid.to_owned()),
    })
}

/// SASLprep (RFC 4013), as both mechanisms want for names.
pub(super) fn prepare(text: &str) -> Result<Cow<'_, str>, Failure> {
    stringprep::saslprep(text).map_err(|_| Failure::MalformedRequest)
}

const LONGEST_PLAIN: usize = 4096;
