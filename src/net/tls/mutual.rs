//! TLS between servers: each side shows its certificate, and a [`Proof`] says afterwards what the peer's is
//! worth. A handshake fails only where the peer does not have the key of the certificate that it shows; whether an
//! unknown certificate is enough is for the door to decide, which may have other ways to find out who it talks to.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
        client::{
            Resumption,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
            verify_server_cert_signed_by_trust_anchor, verify_server_name,
        },
        crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
        server::{
            ParsedCertificate,
            danger::{ClientCertVerified, ClientCertVerifier},
        },
        sign::{CertifiedKey, SingleCertAndKey},
    },
};

use super::{
    HandshakeError, Tls, TlsError,
    certificate::{OBJECT_IDENTIFIER, SEQUENCE, element, read_chain},
};

/// The root certificates that peers are trusted by. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
}

impl Trust {
    /// Trusts the certificates in a PEM file.
    ///
    /// # Errors
    /// The file that cannot be read or has no certificate.
    pub fn open(roots: &Path) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(read_chain(roots)?);
        Ok(Self { roots: Arc::new(store) })
    }

    /// Trusts nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Self { roots: Arc::new(RootCertStore::empty()) }
    }

    /// What a certificate, followed by its intermediates, proves now. It must be good for a server: few
    /// authorities say of theirs that they are for clients, too.
    pub(in crate::net) fn judge(&self, chain: &[CertificateDer<'_>]) -> Proof {
        let Some((leaf, intermediates)) = chain.split_first() else { return Proof::default() };
        let is_trusted = ParsedCertificate::try_from(leaf).is_ok_and(|leaf| {
            let algorithms = algorithms().all;
            let now = UnixTime::now();
            verify_server_cert_signed_by_trust_anchor(&leaf, &self.roots, intermediates, now, algorithms)
                .is_ok()
        });
        Proof { leaf: is_trusted.then(|| leaf.clone().into_owned()) }
    }
}

/// What the peer's certificate proves. Nothing, where it showed none or nobody knows who made it.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    leaf: Option<CertificateDer<'static>>,
}

impl Proof {
    /// Whether the peer has this DNS name or IP address (RFC 6125 §6.4).
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        let leaf = self.leaf.as_ref().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
        leaf.is_some_and(|leaf| verify_server_name(&leaf, &name).is_ok())
    }

    /// The peer's names of another kind, which the bytes of an object identifier name (RFC 5280 §4.2.1.6): those
    /// that are text.
    #[must_use]
    pub fn other_names(&self, kind: &[u8]) -> Vec<String> {
        self.leaf.as_ref().map(|leaf| other_names(leaf, kind)).unwrap_or_default()
    }
}

fn other_names(leaf: &[u8], kind: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = alternative_names(leaf).unwrap_or_default();
    while let Some((tag, name, after)) = element(rest) {
        rest = after;
        let Some((OBJECT_IDENTIFIER, oid, value)) = element(name).filter(|_| tag == CONTEXT_0) else {
            continue;
        };
        let text = element(value).and_then(|(_, inner, _)| element(inner));
        if let Some((UTF8_STRING | IA5_STRING, text, _)) = text.filter(|_| oid == kind) {
            found.extend(std::str::from_utf8(text).map(str::to_owned));
        }
    }
    found
}

/// The content of the extension `subjectAltName`.
fn alternative_names(leaf: &[u8]) -> Option<&[u8]> {
    let (_, certificate, _) = element(leaf)?;
    let (_, mut fields, _) = element(certificate)?;
    let extensions = loop {
        let (tag, content, after) = element(fields)?;
        if tag == CONTEXT_3 {
            break content;
        }
        fields = after;
    };
    let (SEQUENCE, mut list, _) = element(extensions)? else { return None };
    while let Some((SEQUENCE, extension, after)) = element(list) {
        list = after;
        let (_, oid, value) = element(extension)?;
        if oid != SUBJECT_ALTERNATIVE_NAME {
            continue;
        }
        let (tag, content, after) = element(value)?;
        let octets = if tag == BOOLEAN { element(after)?.1 } else { content };
        return Some(element(octets)?.1);
    }
    None
}

/// Performs the client's side of handshakes between servers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MutualConnector {
    tls: Arc<Tls>,
    alpn: Vec<Vec<u8>>,
    patience: Duration,
}

impl MutualConnector {
    /// As [`Tls::acceptor`], with the certificates of `tls`.
    #[must_use]
    pub fn new(tls: &Arc<Tls>, alpn: &[&str], patience: Duration) -> Self {
        let alpn = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { tls: Arc::clone(tls), alpn, patience }
    }

    /// Asks for `peer`, and shows the certificate for `own`.
    pub(in crate::net) async fn connect(
        &self,
        tcp: TcpStream,
        peer: &str,
        own: &str,
    ) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let name = ServerName::try_from(peer.to_owned()).map_err(|_| HandshakeError::Name)?;
        let config = self.config(own).map_err(std::io::Error::other)?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        Ok(timeout(self.patience, handshake).await.map_err(|_| HandshakeError::TimedOut)??)
    }

    fn config(&self, own: &str) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody));
        let mut config = match self.tls.key_for(own) {
            Some(key) => {
                let key = SingleCertAndKey::from(CertifiedKey::clone(&key));
                builder.with_client_cert_resolver(Arc::new(key))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.alpn);
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// Lets everybody pass who has the key of the certificate that he shows.
#[derive(Debug)]
pub(super) struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    ring::default_provider().signature_verification_algorithms
}

const CONTEXT_0: u8 = 0xa0;
const CONTEXT_3: u8 = 0xa3;
const BOOLEAN: u8 = 0x01;
const UTF8_STRING: u8 = 0x0c;
const IA5_STRING: u8 = 0x16;
/// 2.5.29.17
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType, string::Ia5String};

    use super::*;

    /// 1.3.6.1.5.5.7.8.5 `id-on-xmppAddr`
    const KIND: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x05];

    #[test]
    fn trusted_certificate_proves_its_names_and_no_others() {
        let root_key = KeyPair::generate().unwrap();
        let mut root = CertificateParams::new([]).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_certificate = root.self_signed(&root_key).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(root_certificate.pem().as_bytes()).unwrap();

        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new([]).unwrap();
        let name = |text: &str| SanType::DnsName(Ia5String::try_from(text.to_owned()).unwrap());
        let other = (vec![1, 3, 6, 1, 5, 5, 7, 8, 5], "chat.example".to_owned().into());
        leaf.subject_alt_names = vec![name("a.example"), SanType::OtherName(other), name("*.b.example")];
        let leaf = leaf.signed_by(&key, &Issuer::from_params(&root, &root_key)).unwrap();

        let chain = [leaf.der().clone()];
        let proof = Trust::open(file.path()).unwrap().judge(&chain);
        for (name, expect) in [("a.example", true), ("x.b.example", true), ("b.example", false), ("", false)]
        {
            assert_eq!(proof.is_for(name), expect, "{name}");
        }
        assert_eq!(proof.other_names(KIND), ["chat.example"]);
        assert!(proof.other_names(&KIND[1..]).is_empty());

        let stranger = Trust::nobody().judge(&chain);
        assert!(!stranger.is_for("a.example") && stranger.other_names(KIND).is_empty());
        assert!(!Trust::nobody().judge(&[]).is_for("a.example"));
        for length in 0..leaf.der().len() {
            other_names(&leaf.der()[..length], KIND);
        }
    }
}
