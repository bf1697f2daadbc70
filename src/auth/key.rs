//! The key file: 32 random bytes beside the database, never in it.
//!
//! Credentials are sealed with it (ChaCha20-Poly1305, RFC 8439), bound to what they belong to, so
//! that a stolen database alone tells nothing and a sealed blob moved to another account does not
//! open. Every other secret of this room is derived from it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use chacha20poly1305::{
    ChaCha20Poly1305, Key, Nonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Secrets of this server.
pub(super) struct ServerKey {
    bytes: [u8; 32],
    cipher: ChaCha20Poly1305,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("it must hold 32 bytes and holds {0}")]
    Length(usize),
    #[error("it is missing, and the stored credentials cannot be opened without it")]
    Missing,
}

/// Whether a missing key file may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfMissing {
    Make,
    /// Credentials sealed with it exist already.
    Fail,
}

impl ServerKey {
    /// Reads the key file, or makes it.
    pub(super) fn open(path: &Path, if_missing: IfMissing) -> Result<Self, KeyError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if if_missing == IfMissing::Fail {
                    return Err(KeyError::Missing);
                }
                make(path)?
            }
            Err(error) => return Err(error.into()),
        };
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "others than the owner can read the key file");
        }
        let bytes = bytes.try_into().map_err(|bytes: Vec<u8>| KeyError::Length(bytes.len()))?;
        Ok(Self::from_bytes(bytes))
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        let key = Key::from(hmac(&bytes, &[b"seal"]));
        Self { bytes, cipher: ChaCha20Poly1305::new(&key) }
    }

    /// Seals a secret; it opens only with the same `context`. `nonce` is random, never used twice.
    pub(super) fn seal(&self, context: &str, secret: &[u8], nonce: [u8; 12]) -> Vec<u8> {
        let payload = Payload { msg: secret, aad: context.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .expect("secrets are far shorter than the cipher's limit");
        [&[VERSION], &nonce[..], &sealed].concat()
    }

    /// Opens what [`ServerKey::seal`] made; `None` for anything else.
    pub(super) fn open_sealed(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (&VERSION, rest) = sealed.split_first()? else { return None };
        let (nonce, msg) = rest.split_first_chunk::<12>()?;
        let payload = Payload { msg, aad: context.as_bytes() };
        self.cipher.decrypt(&Nonce::from(*nonce), payload).ok()
    }

    /// A secret of its own for each purpose.
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        hmac(&self.bytes, &[b"derive ", purpose.as_bytes()])
    }
}

/// HMAC-SHA-256 over all parts in turn.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is fine");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Fills an array from the system's generator.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

fn make(path: &Path) -> io::Result<Vec<u8>> {
    let bytes: [u8; 32] = random();
    // Written aside first: a crash leaves a whole key or none.
    let aside = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    Ok(bytes.to_vec())
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_secret_opens_in_its_own_place_only() {
        let key = ServerKey::from_bytes([1; 32]);
        let sealed = key.seal("alice", b"secret", [2; 12]);
        assert_eq!(key.open_sealed("alice", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(key.open_sealed("bob", &sealed), None);
        assert_eq!(ServerKey::from_bytes([3; 32]).open_sealed("alice", &sealed), None);
        for at in 0..sealed.len() {
            let mut spoiled = sealed.clone();
            spoiled[at] ^= 1;
            assert_eq!(key.open_sealed("alice", &spoiled), None, "{at}");
            assert_eq!(key.open_sealed("alice", &sealed[..at]), None, "{at}");
        }
    }

    #[test]
    fn key_file_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(matches!(ServerKey::open(&path, IfMissing::Fail), Err(KeyError::Missing)));
        let first = ServerKey::open(&path, IfMissing::Make).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = ServerKey::open(&path, IfMissing::Fail).unwrap();
        assert_eq!(first.derive("x"), again.derive("x"));
        assert_ne!(first.derive("x"), first.derive("y"));
        fs::write(&path, b"short").unwrap();
        assert!(matches!(ServerKey::open(&path, IfMissing::Make), Err(KeyError::Length(5))));
    }
}
