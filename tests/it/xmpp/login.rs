//! SCRAM with channel binding over real TLS (RFC 5802, RFC 9266, RFC 5929, XEP-0368, XEP-0440).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::support::{House, PASSWORD, RawXmpp, address};

/// A TLS connection that trusts the server's own certificate, and that certificate.
pub(super) async fn connect(house: &House, alpn: &str) -> std::io::Result<(TlsStream<TcpStream>, Vec<u8>)> {
    let certificate = CertificateDer::from_pem_file(house.folder().join("certificate.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let tcp = TcpStream::connect(house.xmpp_direct_tls()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    Ok((stream, certificate.to_vec()))
}

pub(super) fn exporter(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let connection = stream.get_ref().1;
    connection.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap()
}

/// Logs in by SCRAM-SHA-256 or its -PLUS form; what the server said last.
async fn scram(client: &mut RawXmpp, mechanism: &str, gs2: &str, binding: &[u8]) -> String {
    scram_with(client, mechanism, gs2, binding, async {}).await
}

/// The same, with something that happens before the proof is sent.
async fn scram_with(
    client: &mut RawXmpp,
    mechanism: &str,
    gs2: &str,
    binding: &[u8],
    meanwhile: impl Future<Output = ()>,
) -> String {
    client.open().await;
    client.stanza("stream:features").await;
    let bare = "n=alice,r=clientnonce";
    let first = BASE64.encode(format!("{gs2}{bare}"));
    client.send(&format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>")).await;
    let answer = client.stanza("urn:ietf:params:xml:ns:xmpp-sasl").await;
    if !answer.starts_with("<challenge") {
        return answer;
    }
    let challenge = String::from_utf8(BASE64.decode(text_of(&answer)).unwrap()).unwrap();
    let mut fields = challenge.split(',').map(|field| &field[2..]);
    let (nonce, salt, rounds) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
    let mut salted = [0; 32];
    let salt = BASE64.decode(salt).unwrap();
    pbkdf2::pbkdf2_hmac::<Sha256>(PASSWORD.as_bytes(), &salt, rounds.parse().unwrap(), &mut salted);
    let client_key = hmac(&salted, b"Client Key");
    let without_proof = format!("c={},r={nonce}", BASE64.encode([gs2.as_bytes(), binding].concat()));
    let authenticated = format!("{bare},{challenge},{without_proof}");
    let signature = hmac(&Sha256::digest(&client_key), authenticated.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, mask)| key ^ mask).collect();
    let last = BASE64.encode(format!("{without_proof},p={}", BASE64.encode(proof)));
    meanwhile.await;
    client.send(&format!("<response xmlns='{SASL}'>{last}</response>")).await;
    let answer = client.stanza("urn:ietf:params:xml:ns:xmpp-sasl").await;
    if answer.starts_with("<success") {
        let expected = hmac(&hmac(&salted, b"Server Key"), authenticated.as_bytes());
        let proved = BASE64.encode(format!("v={}", BASE64.encode(expected)));
        assert_eq!(text_of(&answer), proved, "the server proves that it knows the password");
    }
    answer
}

fn text_of(element: &str) -> &str {
    element.split(['>', '<']).nth(2).unwrap()
}

pub(super) fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_can_be_bound_to_its_connection() {
    let house = House::with_accounts(&["alice"]).await;
    for (gs2, is_exporter) in [("p=tls-exporter,,", true), ("p=tls-server-end-point,,", false)] {
        let (stream, certificate) = connect(&house, "xmpp-client").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"xmpp-client"[..]));
        let binding = if is_exporter { exporter(&stream) } else { Sha256::digest(certificate).to_vec() };
        let mut client = RawXmpp::over(gs2, Box::new(stream));
        let answer = scram(&mut client, "SCRAM-SHA-256-PLUS", gs2, &binding).await;
        assert!(answer.starts_with("<success"), "{gs2}: {answer}");
        client.restart();
        client.open().await;
        client.stanza("xmpp-bind").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_in_the_middle_is_found_out() {
    let house = House::with_accounts(&["alice"]).await;
    for (mechanism, gs2, binding) in
        [("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &[7; 32][..]), ("SCRAM-SHA-256", "y,,", &[])]
    {
        let (stream, _) = connect(&house, "xmpp-client").await.unwrap();
        let mut client = RawXmpp::over(gs2, Box::new(stream));
        let answer = scram(&mut client, mechanism, gs2, binding).await;
        assert!(answer.contains("<not-authorized/>"), "{gs2}: {answer}");
    }
    let (stream, _) = connect(&house, "xmpp-client").await.unwrap();
    let mut client = RawXmpp::over("one that cannot bind", Box::new(stream));
    let answer = scram(&mut client, "SCRAM-SHA-256", "n,,", &[]).await;
    assert!(answer.starts_with("<success"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_finds_no_door_here() {
    let house = House::with_accounts(&[]).await;
    assert!(connect(&house, "http/1.1").await.is_err());
}

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_not_finished_ends_with_its_password() {
    let house = House::with_accounts(&["alice"]).await;
    let mut bound_late = RawXmpp::authenticated("alice", house.xmpp_plain()).await;
    let mut proved_late = RawXmpp::connect("proved late", house.xmpp_plain()).await;
    let change = async {
        house.server().authenticator().set_password(&address("alice"), "another one").await.unwrap();
    };
    let answer = scram_with(&mut proved_late, "SCRAM-SHA-256", "n,,", b"", change).await;
    assert!(answer.contains("<not-authorized"), "{answer}");
    bound_late.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>").await;
    let told = bound_late.end().await;
    assert!(told.iter().any(|told| told.contains("<reset ")), "{told:?}");
    assert!(!told.iter().any(|told| told.contains("<jid>")), "{told:?}");
}
