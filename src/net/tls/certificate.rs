//! One certificate chain with its key, as read from two PEM files.
//!
//! Besides what a handshake needs it knows the names it is valid for and its hash for channel binding
//! (RFC 5929 §4.1). The few bytes of DER that this takes are read here; nothing else of X.509 is.

use std::{fs, path::Path, sync::Arc};

use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio_rustls::rustls::{
    client::verify_server_name,
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName,
        pem::{self, PemObject},
    },
    server::ParsedCertificate,
    sign::CertifiedKey,
};

use super::{CertificateFiles, TlsError};

/// A usable certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    key: Arc<CertifiedKey>,
    end_point: Option<Box<[u8]>>,
}

impl Certificate {
    /// Reads both files and checks that they belong together.
    pub(super) fn load(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let chain = read_chain(&files.certificate)?;
        let end_point = chain.first().and_then(|leaf| end_point_hash(leaf));
        let key = read_key(&files.key)?;
        let pair = |source| TlsError::Pair {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            source,
        };
        let key = CertifiedKey::from_der(chain, key, provider).map_err(pair)?;
        Ok(Self { key: Arc::new(key), end_point })
    }

    /// What a handshake signs with.
    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// The `tls-server-end-point` hash, where the certificate's signature has a single hash function.
    pub(super) fn end_point(&self) -> Option<&[u8]> {
        self.end_point.as_deref()
    }

    /// Whether the certificate is valid for a DNS name or IP address (RFC 6125 §6.4).
    pub(super) fn is_for(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        let Some(leaf) = self.key.cert.first() else { return false };
        ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let broken = |reason: String| TlsError::Pem { path: path.to_owned(), expected: "certificate", reason };
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| broken(explain(&error)))?;
    if chain.is_empty() {
        return Err(broken(explain(&pem::Error::NoItemsFound)));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| TlsError::Pem {
        path: path.to_owned(),
        expected: "private key",
        reason: explain(&error),
    })
}

/// The library's words where they help, ours where they would not (it prints line bytes as numbers).
fn explain(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "no such BEGIN line".to_owned(),
        pem::Error::MissingSectionEnd { .. } => "a BEGIN line without its END line".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a broken BEGIN line".to_owned(),
        pem::Error::Base64Decode(error) => format!("broken base64: {error}"),
        other => other.to_string(),
    }
}

/// RFC 5929 §4.1: the certificate hashed by the hash of its signature; SHA-256 in place of MD5 and SHA-1.
fn end_point_hash(leaf: &[u8]) -> Option<Box<[u8]>> {
    Some(match signature_hash(leaf)? {
        Hash::Sha256 => Box::from(Sha256::digest(leaf).as_slice()),
        Hash::Sha384 => Box::from(Sha384::digest(leaf).as_slice()),
        Hash::Sha512 => Box::from(Sha512::digest(leaf).as_slice()),
    })
}

/// A hash function for channel binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// The hash of a certificate's `signatureAlgorithm` (RFC 5280 §4.1.1.2), for RSA PKCS #1, RSA-PSS and
/// ECDSA. Ed25519 and unknown algorithms have none, and so no binding.
fn signature_hash(leaf: &[u8]) -> Option<Hash> {
    let (SEQUENCE, certificate, _) = element(leaf)? else { return None };
    let (SEQUENCE, _, rest) = element(certificate)? else { return None };
    let (SEQUENCE, algorithm, _) = element(rest)? else { return None };
    let (OBJECT_IDENTIFIER, oid, parameters) = element(algorithm)? else { return None };
    if oid == RSASSA_PSS {
        return pss_hash(parameters);
    }
    let (_, hash) = SIGNATURES.iter().find(|(known, _)| *known == oid)?;
    Some(*hash)
}

/// RFC 4055 §3.1: `hashAlgorithm [0]` of the RSASSA-PSS parameters, whose default is SHA-1.
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let (SEQUENCE, fields, _) = element(parameters)? else { return None };
    let Some((CONTEXT_0, tagged, _)) = element(fields) else { return Some(Hash::Sha256) };
    let (SEQUENCE, algorithm, _) = element(tagged)? else { return None };
    let (OBJECT_IDENTIFIER, oid, _) = element(algorithm)? else { return None };
    let (_, hash) = HASHES.iter().find(|(known, _)| *known == oid)?;
    Some(*hash)
}

/// The first DER element: its tag, its content, and what follows (X.690 §8.1).
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
const CONTEXT_0: u8 = 0xa0;

/// 1.2.840.113549.1.1.10
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

/// Signature algorithms by object identifier (RFC 3279, RFC 4055, RFC 5758).
const SIGNATURES: &[(&[u8], Hash)] = &[
    // md5WithRSAEncryption and sha1WithRSAEncryption
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], Hash::Sha256),
    // sha256, sha384, sha512 WithRSAEncryption
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], Hash::Sha512),
    // ecdsa-with-SHA1, SHA256, SHA384, SHA512
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], Hash::Sha512),
];

/// Hash functions by object identifier (RFC 4055 §2.1).
const HASHES: &[(&[u8], Hash)] = &[
    (&[0x2b, 0x0e, 0x03, 0x02, 0x1a], Hash::Sha256),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01], Hash::Sha256),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02], Hash::Sha384),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03], Hash::Sha512),
];

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

    use super::*;

    fn leaf(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::new(["a.example".to_owned()]).unwrap().self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn hash_is_that_of_the_signature() {
        let leaf_256 = leaf(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(signature_hash(&leaf_256), Some(Hash::Sha256));
        assert_eq!(end_point_hash(&leaf_256).as_deref(), Some(Sha256::digest(&leaf_256).as_slice()));
        assert_eq!(signature_hash(&leaf(&rcgen::PKCS_ECDSA_P384_SHA384)), Some(Hash::Sha384));
        assert_eq!(signature_hash(&leaf(&rcgen::PKCS_ED25519)), None);
    }

    #[test]
    fn weak_and_pss_signatures_have_their_hash() {
        let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let certificate = |algorithm: &[u8]| {
            let parts = [wrap(SEQUENCE, &[]), wrap(SEQUENCE, algorithm), wrap(3, &[0])].concat();
            wrap(SEQUENCE, &parts)
        };
        let sha1_with_rsa = wrap(OBJECT_IDENTIFIER, SIGNATURES[1].0);
        assert_eq!(signature_hash(&certificate(&sha1_with_rsa)), Some(Hash::Sha256));

        let pss = wrap(OBJECT_IDENTIFIER, RSASSA_PSS);
        let sha384 = wrap(SEQUENCE, &wrap(OBJECT_IDENTIFIER, HASHES[2].0));
        let parameters = wrap(SEQUENCE, &wrap(CONTEXT_0, &sha384));
        assert_eq!(signature_hash(&certificate(&[pss.clone(), parameters].concat())), Some(Hash::Sha384));
        let defaults = wrap(SEQUENCE, &[]);
        assert_eq!(signature_hash(&certificate(&[pss, defaults].concat())), Some(Hash::Sha256));
    }

    #[test]
    fn broken_der_has_no_hash() {
        let whole = leaf(&rcgen::PKCS_ECDSA_P256_SHA256);
        for length in 0..whole.len() {
            assert_eq!(signature_hash(&whole[..length]), None, "cut at {length}");
        }
        assert_eq!(signature_hash(&[0x30, 0x85, 1, 1, 1, 1, 1]), None);
    }
}
