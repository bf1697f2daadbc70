//! HT-SHA-256-*: the proof of a token in one message (draft-schmaus-sasl-ht §3), for XEP-0484.
//!
//! The message is read here; the token is known to the authenticator alone.

use super::exchange::prepare;
use super::{Bindings, Failure, Step, TokenBinding, TokenProof};

/// Reads `authcid NUL hash`.
pub(super) fn parse(response: &[u8], binding: TokenBinding, bindings: &Bindings) -> Result<Step, Failure> {
    let at = response.iter().position(|byte| *byte == 0).ok_or(Failure::MalformedRequest)?;
    let (username, hashed) = response.split_at(at);
    let hashed = hashed.get(1..).filter(|hashed| hashed.len() == HASH_BYTES);
    let hashed = hashed.ok_or(Failure::MalformedRequest)?.to_vec();
    let username = std::str::from_utf8(username).map_err(|_| Failure::MalformedRequest)?;
    if username.is_empty() || username.len() > LONGEST_NAME {
        return Err(Failure::MalformedRequest);
    }
    let bound = bindings.of(binding).ok_or(Failure::InvalidMechanism)?.to_vec();
    let proof = TokenProof { binding, bound, hashed, count: None };
    Ok(Step::CheckToken { username: prepare(username)?.into_owned(), proof })
}

const HASH_BYTES: usize = 32;
const LONGEST_NAME: usize = 1023;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(response: &[u8], binding: TokenBinding) -> Result<(String, TokenProof), Failure> {
        let bindings = Bindings { exporter: Some(vec![1; 32]), end_point: None };
        match parse(response, binding, &bindings)? {
            Step::CheckToken { username, proof } => Ok((username, proof)),
            _ => panic!("another step"),
        }
    }

    #[test]
    fn name_hash_and_the_connections_binding_are_taken() {
        let response = [b"alice\0".as_slice(), &[0; 32]].concat();
        for (binding, bound) in [(TokenBinding::None, Vec::new()), (TokenBinding::Exporter, vec![1; 32])] {
            let (username, proof) = read(&response, binding).expect("a proof");
            assert_eq!(username, "alice");
            assert!(proof == TokenProof { binding, bound, hashed: vec![0; 32], count: None });
        }
        assert_eq!(read(&response, TokenBinding::EndPoint).err(), Some(Failure::InvalidMechanism));
    }

    #[test]
    fn what_is_no_proof_is_refused() {
        for response in [
            b"".to_vec(),
            b"alice".to_vec(),
            b"alice\0".to_vec(),
            [b"\0".as_slice(), &[1; 32]].concat(),
            [b"alice\0".as_slice(), &[1; 33]].concat(),
            [b"\xff\0".as_slice(), &[1; 32]].concat(),
            [[b'a'; 2000].as_slice(), b"\0", &[1; 32]].concat(),
        ] {
            assert_eq!(read(&response, TokenBinding::None).err(), Some(Failure::MalformedRequest));
        }
    }
}
