//! SCRAM, the server's side (RFC 5802 §3, §5, §7).
//!
//! `ClientFirst` is what the client began with, `Waiting` the state in which its proof is awaited.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::exchange::prepare;
use super::{Failure, Hash, Step, TokenBinding, Verifier};

/// What the TLS connection offers to bind to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings {
    /// `tls-exporter` (RFC 9266).
    pub exporter: Option<Vec<u8>>,
    /// `tls-server-end-point` (RFC 5929 §4).
    pub end_point: Option<Vec<u8>>,
}

impl Bindings {
    /// Whether there is nothing to bind to.
    pub fn is_empty(&self) -> bool {
        self.exporter.is_none() && self.end_point.is_none()
    }

    /// The names of what there is (XEP-0440).
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let exporter = self.exporter.as_ref().map(|_| "tls-exporter");
        let end_point = self.end_point.as_ref().map(|_| "tls-server-end-point");
        exporter.into_iter().chain(end_point)
    }

    /// What there is for tokens of this kind.
    pub(super) fn of(&self, binding: TokenBinding) -> Option<&[u8]> {
        match binding {
            TokenBinding::None => Some(&[]),
            TokenBinding::EndPoint => self.end_point.as_deref(),
            TokenBinding::Exporter => self.exporter.as_deref(),
        }
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_deref(),
            "tls-server-end-point" => self.end_point.as_deref(),
            _ => None,
        }
    }
}

/// The client's first message, understood.
#[derive(Debug)]
pub(super) struct ClientFirst {
    hash: Hash,
    username: String,
    authzid: Option<String>,
    nonce: String,
    /// The message without its GS2 header, for the proof.
    bare: String,
    /// What `c=` of the client's final message must decode to.
    binding: Vec<u8>,
}

/// What GS2 header a client sent (RFC 5802 §7, `gs2-header`).
struct Gs2<'a> {
    flag: Flag<'a>,
    authzid: Option<String>,
    /// The header as sent, both commas included.
    header: &'a str,
    rest: &'a str,
}

enum Flag<'a> {
    Unsupported,
    NotOffered,
    Used(&'a str),
}

impl ClientFirst {
    pub(super) fn parse(
        message: &[u8],
        hash: Hash,
        is_plus: bool,
        bindings: &Bindings,
    ) -> Result<Self, Failure> {
        if message.len() > LONGEST_MESSAGE {
            return Err(Failure::MalformedRequest);
        }
        let message = std::str::from_utf8(message).map_err(|_| Failure::MalformedRequest)?;
        let gs2 = parse_gs2(message)?;
        let mut binding = gs2.header.as_bytes().to_vec();
        match (&gs2.flag, is_plus) {
            (Flag::Unsupported, false) => {}
            // Somebody between us and the client took our -PLUS mechanisms out of the offer.
            (Flag::NotOffered, false) if !bindings.is_empty() => return Err(Failure::NotAuthorized),
            (Flag::NotOffered, false) => {}
            (Flag::Used(name), true) => {
                binding.extend_from_slice(bindings.find(name).ok_or(Failure::NotAuthorized)?);
            }
            _ => return Err(Failure::MalformedRequest),
        }
        let (username, nonce) = parse_bare(gs2.rest)?;
        let bare = gs2.rest.to_owned();
        Ok(Self { hash, username, authzid: gs2.authzid, nonce, bare, binding })
    }

    pub(super) fn username(&self) -> &str {
        &self.username
    }

    pub(super) fn challenge(
        self,
        verifier: Verifier,
        nonce: &str,
        protection: Option<&str>,
    ) -> (Waiting, Vec<u8>) {
        let nonce = format!("{}{nonce}", self.nonce);
        let salt = BASE64.encode(&verifier.salt);
        let protection = protection.map(|hash| format!(",h={hash}")).unwrap_or_default();
        let challenge = format!("r={nonce},s={salt},i={}{protection}", verifier.iterations);
        let bytes = challenge.clone().into_bytes();
        (Waiting { first: self, verifier, nonce, challenge }, bytes)
    }
}

/// The exchange after the challenge was sent.
pub(super) struct Waiting {
    first: ClientFirst,
    verifier: Verifier,
    /// The client's nonce followed by ours.
    nonce: String,
    challenge: String,
}

impl Waiting {
    /// Checks the client's final message: `c=`, `r=`, extensions, `p=`.
    pub(super) fn check(self, message: &[u8]) -> Result<Step, Failure> {
        if message.len() > LONGEST_MESSAGE {
            return Err(Failure::MalformedRequest);
        }
        let message = std::str::from_utf8(message).map_err(|_| Failure::MalformedRequest)?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(Failure::MalformedRequest)?;
        let proof = BASE64.decode(proof).map_err(|_| Failure::MalformedRequest)?;
        let (binding, nonce) = parse_final(without_proof)?;
        let is_bound = bool::from(binding.ct_eq(&self.first.binding));
        let is_ours = bool::from(nonce.as_bytes().ct_eq(self.nonce.as_bytes()));
        let authenticated = format!("{},{},{without_proof}", self.first.bare, self.challenge);
        let is_proved = self.first.hash.check_proof(&self.verifier, authenticated.as_bytes(), &proof);
        let username = self.first.username;
        if !(is_bound && is_ours && is_proved) {
            return Ok(Step::WrongProof { username });
        }
        let signature = self.first.hash.hmac(&self.verifier.server_key, authenticated.as_bytes());
        let additional = format!("v={}", BASE64.encode(signature)).into_bytes();
        Ok(Step::Success { username, authzid: self.first.authzid, additional })
    }
}

fn parse_gs2(message: &str) -> Result<Gs2<'_>, Failure> {
    let (flag, rest) = message.split_once(',').ok_or(Failure::MalformedRequest)?;
    let flag = match flag {
        "n" => Flag::Unsupported,
        "y" => Flag::NotOffered,
        _ => Flag::Used(flag.strip_prefix("p=").ok_or(Failure::MalformedRequest)?),
    };
    let (authzid, rest) = rest.split_once(',').ok_or(Failure::MalformedRequest)?;
    let authzid = match authzid {
        "" => None,
        _ => Some(parse_saslname(authzid.strip_prefix("a=").ok_or(Failure::MalformedRequest)?)?),
    };
    let header = message.get(..message.len() - rest.len()).ok_or(Failure::MalformedRequest)?;
    Ok(Gs2 { flag, authzid, header, rest })
}

/// `n=` and `r=`, then extensions, which may be ignored. `m=` is one that may not (RFC 5802 §5.1).
fn parse_bare(bare: &str) -> Result<(String, String), Failure> {
    let mut parts = bare.split(',');
    let name = parts.next().and_then(|part| part.strip_prefix("n=")).ok_or(Failure::MalformedRequest)?;
    let nonce = parts.next().and_then(|part| part.strip_prefix("r=")).ok_or(Failure::MalformedRequest)?;
    let is_printable = nonce.bytes().all(|byte| byte.is_ascii_graphic());
    if nonce.is_empty() || nonce.len() > LONGEST_NONCE || !is_printable || !parts.all(is_extension) {
        return Err(Failure::MalformedRequest);
    }
    Ok((prepare(&parse_saslname(name)?)?.into_owned(), nonce.to_owned()))
}

fn parse_final(message: &str) -> Result<(Vec<u8>, &str), Failure> {
    let mut parts = message.split(',');
    let binding = parts.next().and_then(|part| part.strip_prefix("c=")).ok_or(Failure::MalformedRequest)?;
    let nonce = parts.next().and_then(|part| part.strip_prefix("r=")).ok_or(Failure::MalformedRequest)?;
    if !parts.all(is_extension) {
        return Err(Failure::MalformedRequest);
    }
    let binding = BASE64.decode(binding).map_err(|_| Failure::MalformedRequest)?;
    Ok((binding, nonce))
}

fn is_extension(part: &str) -> bool {
    matches!(part.as_bytes(), [letter, b'=', ..] if letter.is_ascii_alphabetic() && *letter != b'm')
}

/// `=2C` is a comma, `=3D` an equals sign, any other `=` an error.
fn parse_saslname(name: &str) -> Result<String, Failure> {
    let mut pieces = name.split('=');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(Failure::MalformedRequest),
        };
        out.push(character);
        out.push_str(rest);
    }
    if out.is_empty() || out.contains('\0') { Err(Failure::MalformedRequest) } else { Ok(out) }
}

impl Hash {
    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => keyed::<Hmac<Sha1>>(key, message),
            Self::Sha256 => keyed::<Hmac<Sha256>>(key, message),
            Self::Sha512 => keyed::<Hmac<Sha512>>(key, message),
        }
    }

    pub(super) fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(message).to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    /// `H(ClientProof XOR HMAC(StoredKey, AuthMessage)) == StoredKey`.
    fn check_proof(self, verifier: &Verifier, authenticated: &[u8], proof: &[u8]) -> bool {
        let signature = self.hmac(&verifier.stored_key, authenticated);
        if proof.len() != signature.len() {
            return false;
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(left, right)| left ^ right).collect();
        bool::from(self.digest(&client_key).ct_eq(&verifier.stored_key))
    }
}

fn keyed<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

const LONGEST_MESSAGE: usize = 4096;
const LONGEST_NONCE: usize = 256;
