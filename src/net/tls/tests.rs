use std::{fs, path::Path};

use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream as ClientStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

use super::*;
use crate::net::Stream;

/// A server's certificates in a folder of their own.
struct Bench {
    folder: tempfile::TempDir,
    tls: Arc<Tls>,
}

fn write_pair(folder: &Path, stem: &str, names: &[&str]) -> CertificateFiles {
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let files = CertificateFiles {
        certificate: folder.join(format!("{stem}.pem")),
        key: folder.join(format!("{stem}.key")),
    };
    fs::write(&files.certificate, certificate.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

fn bench(certificates: &[(&str, &[&str])]) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let certificates =
        certificates.iter().map(|(stem, names)| write_pair(folder.path(), stem, names)).collect();
    let tls = Tls::open(&TlsConfig { certificates }, folder.path(), &[]).unwrap();
    Bench { folder, tls }
}

impl Bench {
    fn leaf(&self, stem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.folder.path().join(format!("{stem}.pem"))).unwrap()
    }

    /// A handshake over the loopback: the server's stream and the client's.
    async fn connect(
        &self,
        peer: &Client,
    ) -> (Result<Stream, HandshakeError>, io::Result<ClientStream<TcpStream>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = self.tls.acceptor(&["xmpp-client"], Duration::from_secs(10));
        let server = async {
            let (tcp, _) = listener.accept().await.unwrap();
            Stream::from_tcp(tcp).unwrap().upgrade(&acceptor).await
        };
        let client = async {
            let tcp = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from(peer.name).unwrap();
            TlsConnector::from(peer.config.clone()).connect(name, tcp).await
        };
        tokio::join!(server, client)
    }
}

/// A client that trusts certain leaves, with its own memory of sessions.
struct Client {
    name: &'static str,
    config: Arc<ClientConfig>,
}

fn client(
    name: &'static str,
    trusted: &[CertificateDer<'static>],
    alpn: &str,
    version: &'static SupportedProtocolVersion,
) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    Client { name, config: Arc::new(config) }
}

#[tokio::test]
async fn name_asked_for_chooses_the_certificate() {
    let bench = bench(&[("a", &["a.example"]), ("b", &["b.example", "*.c.example"])]);
    for (name, stem) in [("a.example", "a"), ("b.example", "b"), ("x.c.example", "b")] {
        let (server, peer) = bench.connect(&client(name, &[bench.leaf(stem)], "xmpp-client", &TLS13)).await;
        let (server, peer) = (server.unwrap(), peer.unwrap());
        assert_eq!(peer.get_ref().1.peer_certificates().unwrap()[0], bench.leaf(stem), "{name}");
        assert_eq!(server.server_name(), Some(name));
        assert_eq!(
            server.end_point_binding(),
            bench.tls.current.load().certificates.choose(Some(name)).unwrap().end_point()
        );
    }
}

#[tokio::test]
async fn first_certificate_serves_unknown_names() {
    let bench = bench(&[("a", &["a.example"]), ("b", &["b.example"])]);
    let (_, peer) = bench.connect(&client("127.0.0.1", &[bench.leaf("a")], "xmpp-client", &TLS13)).await;
    // The name does not fit, and the client says so; what matters is which certificate it complains about.
    assert!(peer.unwrap_err().to_string().contains("a.example"));
}

#[tokio::test]
async fn exporter_agrees_on_both_sides_and_only_in_tls13() {
    let bench = bench(&[("a", &["a.example"])]);
    let (server, peer) = bench.connect(&client("a.example", &[bench.leaf("a")], "xmpp-client", &TLS13)).await;
    let (server, peer) = (server.unwrap(), peer.unwrap());
    let theirs =
        peer.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap();
    assert_eq!(server.exporter_binding(), Some(theirs));
    assert_eq!((server.tls_version(), server.alpn()), (Some("TLSv1.3"), Some(&b"xmpp-client"[..])));

    let (server, _peer) =
        bench.connect(&client("a.example", &[bench.leaf("a")], "xmpp-client", &TLS12)).await;
    let server = server.unwrap();
    assert_eq!((server.tls_version(), server.exporter_binding()), (Some("TLSv1.2"), None));
    assert!(server.end_point_binding().is_some());
}

#[tokio::test]
async fn foreign_application_protocol_is_refused() {
    let bench = bench(&[("a", &["a.example"])]);
    let (server, peer) = bench.connect(&client("a.example", &[bench.leaf("a")], "h2", &TLS13)).await;
    assert!(matches!(server, Err(HandshakeError::Failed(_))));
    assert!(peer.is_err());
}

#[tokio::test]
async fn reload_serves_the_new_certificate() {
    let bench = bench(&[("a", &["a.example"])]);
    let before = bench.leaf("a");
    bench
        .connect(&client("a.example", std::slice::from_ref(&before), "xmpp-client", &TLS13))
        .await
        .0
        .unwrap();
    write_pair(bench.folder.path(), "a", &["a.example"]);
    bench.tls.reload().unwrap();
    assert_ne!(bench.leaf("a"), before);
    bench.connect(&client("a.example", &[bench.leaf("a")], "xmpp-client", &TLS13)).await.0.unwrap();
}

#[tokio::test]
async fn acceptor_made_before_a_reload_serves_the_new_certificate() {
    let bench = bench(&[("a", &["a.example"])]);
    let acceptor = bench.tls.acceptor(&[], Duration::from_secs(10));
    let before = acceptor.offer();
    assert!(Arc::ptr_eq(&before, &acceptor.offer()));
    bench.tls.reload().unwrap();
    assert!(!Arc::ptr_eq(&before, &acceptor.offer()));
}

#[tokio::test]
async fn bad_reload_keeps_the_old_certificate() {
    let bench = bench(&[("a", &["a.example"])]);
    let before = bench.leaf("a");
    fs::write(bench.folder.path().join("a.pem"), "not a certificate").unwrap();
    let error = bench.tls.reload().unwrap_err().to_string();
    assert!(error.contains("a.pem"), "{error}");
    bench.connect(&client("a.example", &[before], "xmpp-client", &TLS13)).await.0.unwrap();
}

/// Connects as `peer`, checks the channel bindings, and says whether the session was resumed.
async fn is_resumed(bench: &Bench, peer: &Client) -> bool {
    let (server, theirs) = bench.connect(peer).await;
    let (mut server, mut theirs) = (server.unwrap(), theirs.unwrap());
    // Reading lets the client see the ticket that follows the handshake.
    server.write_all(b"x").await.unwrap();
    server.flush().await.unwrap();
    tokio::io::AsyncReadExt::read_exact(&mut theirs, &mut [0]).await.unwrap();
    let connection = theirs.get_ref().1;
    if let Some(binding) = server.exporter_binding() {
        let label = b"EXPORTER-Channel-Binding";
        assert_eq!(connection.export_keying_material([0; 32], label, Some(b"")), Ok(binding));
    }
    let current = bench.tls.current.load();
    let certificate = current.certificates.choose(Some(peer.name)).unwrap();
    assert_eq!(server.end_point_binding(), certificate.end_point());
    connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
}

#[tokio::test]
async fn returning_client_resumes_its_session_and_its_bindings_are_right() {
    for version in [&TLS13, &TLS12] {
        let bench = bench(&[("a", &["a.example"]), ("b", &["b.example"])]);
        let trusted = [bench.leaf("a"), bench.leaf("b")];
        for name in ["a.example", "b.example"] {
            let returning = client(name, &trusted, "xmpp-client", version);
            for expect in [false, true, true] {
                assert_eq!(is_resumed(&bench, &returning).await, expect, "{name} {version:?}");
            }
        }
    }
}

#[tokio::test]
async fn ticket_outlives_a_reload_of_the_same_certificate_only() {
    for version in [&TLS13, &TLS12] {
        let bench = bench(&[("a", &["a.example"])]);
        let returning = client("a.example", &[bench.leaf("a")], "xmpp-client", version);
        assert!(!is_resumed(&bench, &returning).await);
        bench.tls.reload().unwrap();
        assert!(is_resumed(&bench, &returning).await, "{version:?}");

        let before = bench.leaf("a");
        write_pair(bench.folder.path(), "a", &["a.example"]);
        bench.tls.reload().unwrap();
        // The client comes with a ticket, and trusts the old certificate alone.
        let (server, peer) = bench.connect(&returning).await;
        assert!(peer.is_err() && server.is_err(), "{version:?}");
        assert_ne!(bench.leaf("a"), before);
    }
}

#[tokio::test]
async fn cheapest_cipher_is_chosen_whatever_the_client_likes_best() {
    for (version, expect) in [
        (&TLS13, CipherSuite::TLS13_AES_128_GCM_SHA256),
        (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ] {
        let bench = bench(&[("a", &["a.example"])]);
        let peer = client("a.example", &[bench.leaf("a")], "xmpp-client", version);
        let (_server, peer) = bench.connect(&peer).await;
        let chosen = peer.unwrap().get_ref().1.negotiated_cipher_suite().unwrap();
        assert_eq!(chosen.suite(), expect);
    }
}

#[tokio::test]
async fn listeners_share_their_tickets() {
    let bench = bench(&[("a", &["a.example"])]);
    let tickets = |alpn: &[&str]| {
        let acceptor = bench.tls.acceptor(alpn, Duration::from_secs(10));
        Arc::clone(&acceptor.offer().config.ticketer)
    };
    assert!(Arc::ptr_eq(&tickets(&["xmpp-client"]), &tickets(&[])));
}

#[tokio::test]
async fn our_own_connections_check_the_peers_name() {
    let bench = bench(&[("a", &["a.example"])]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let acceptor = bench.tls.acceptor(&[], Duration::from_secs(10));
    let roots = bench.folder.path().join("a.pem");
    let connector = Connector::trusting(&roots, Duration::from_secs(10)).unwrap();
    for (name, is_trusted) in [("a.example", true), ("b.example", false), ("not a name", false)] {
        let server = async {
            let (tcp, _) = listener.accept().await.unwrap();
            Stream::from_tcp(tcp).unwrap().upgrade(&acceptor).await
        };
        let client = async {
            let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            Stream::from_tcp(tcp).unwrap().secure(&connector, name).await
        };
        let (server, client) = tokio::join!(server, client);
        assert_eq!(client.is_ok(), is_trusted, "{name}: {:?}", client.err());
        if let (Ok(server), Ok(client)) = (server, client) {
            assert_eq!(server.exporter_binding(), client.exporter_binding());
            assert!(client.is_secure() && client.end_point_binding().is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silent_peer_runs_out_of_time() {
    let bench = bench(&[("a", &["a.example"])]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    let acceptor = bench.tls.acceptor(&[], Duration::from_secs(20));
    let refused = Stream::from_tcp(tcp).unwrap().upgrade(&acceptor).await;
    assert!(matches!(refused, Err(HandshakeError::TimedOut)));
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let a = write_pair(folder.path(), "a", &["a.example"]);
    let b = write_pair(folder.path(), "b", &["b.example"]);
    let text = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let cut = text("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    let empty = text("empty.pem", "");
    let pair = |certificate: &Path, key: &Path| CertificateFiles {
        certificate: certificate.into(),
        key: key.into(),
    };
    for (files, expect) in [
        (pair(&folder.path().join("none.pem"), &a.key), vec!["none.pem: No such file"]),
        (pair(&a.certificate, &folder.path().join("none.key")), vec!["none.key: No such file"]),
        (pair(&empty, &a.key), vec!["empty.pem: no usable certificate"]),
        (pair(&cut, &a.key), vec!["cut.pem: no usable certificate", "without its END line"]),
        (pair(&a.key, &a.key), vec!["a.key: no usable certificate"]),
        (pair(&a.certificate, &a.certificate), vec!["a.pem: no usable private key"]),
        (pair(&a.certificate, &b.key), vec!["a.pem with", "b.key"]),
    ] {
        let config = TlsConfig { certificates: vec![files] };
        let error = Tls::open(&config, folder.path(), &[]).unwrap_err().to_string();
        for part in expect {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
