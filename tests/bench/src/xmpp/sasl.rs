//! SCRAM-SHA-1 (RFC 5802) and PLAIN (RFC 4616), from the client's side.

use std::{cell::RefCell, collections::HashMap};

use anyhow::{Context as _, anyhow};
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use hmac::{Hmac, Mac as _};
use sha1::{Digest as _, Sha1};

use crate::measure::{now_ns, process_token};

/// The only message of PLAIN.
pub fn plain(user: &str, password: &str) -> String {
    BASE64.encode(format!("\0{user}\0{password}"))
}

/// A SCRAM exchange after its first message.
pub struct Scram {
    bare: String,
}

impl Scram {
    /// The exchange, and its first message.
    pub fn start(user: &str) -> (Self, String) {
        let bare = format!("n={user},r={:016x}{:016x}", process_token(), now_ns());
        let first = BASE64.encode(format!("n,,{bare}"));
        (Self { bare }, first)
    }

    /// The answer to the server's challenge.
    pub fn answer(&self, challenge: &str, password: &str) -> anyhow::Result<String> {
        let challenge = String::from_utf8(BASE64.decode(challenge)?)?;
        let field = |name: &str| {
            challenge.split(',').find_map(|part| part.strip_prefix(name)).context("not a challenge of SCRAM")
        };
        let salted = salted_password(password, BASE64.decode(field("s=")?)?, field("i=")?.parse()?)?;
        let tail = format!("c=biws,r={}", field("r=")?);
        let key = hmac(&salted, b"Client Key")?;
        let signature = hmac(&Sha1::digest(key), format!("{},{challenge},{tail}", self.bare).as_bytes())?;
        let proof: Vec<u8> = key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
        Ok(BASE64.encode(format!("{tail},p={}", BASE64.encode(proof))))
    }
}

fn hmac(key: &[u8], data: &[u8]) -> anyhow::Result<[u8; 20]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).map_err(|error| anyhow!("{error}"))?;
    mac.update(data);
    Ok(mac.finalize().into_bytes().into())
}

/// RFC 5802 §3, remembered as clients do: servers give the same salt every time.
fn salted_password(password: &str, salt: Vec<u8>, rounds: u32) -> anyhow::Result<[u8; 20]> {
    thread_local!(static KNOWN: RefCell<Keys> = RefCell::default());
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&(salt.clone(), rounds)).copied()) {
        return Ok(known);
    }
    let mut key = [0; 20];
    pbkdf2::pbkdf2::<Hmac<Sha1>>(password.as_bytes(), &salt, rounds, &mut key)?;
    KNOWN.with_borrow_mut(|known| known.insert((salt, rounds), key));
    Ok(key)
}

/// Salted passwords by salt and iterations.
type Keys = HashMap<(Vec<u8>, u32), [u8; 20]>;
