//! A few addresses of the loopback with names of their own: a certificate authority, DNS, and our server among
//! them, on the port that other servers expect. Its domains end in `.example`: the resolver of Prosody answers
//! itself for `.test` (RFC 6761 §6.2), and says that there is nothing.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::atomic::{AtomicU8, Ordering},
};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rollcall::{config::Config, net::CertificateFiles, signal::Address};
use serde_json::{Value, json};

use super::names::Names;
use crate::support::{House, PASSWORD, Slixmpp, loopback};

/// Where servers of several domains meet.
pub(crate) struct Town {
    number: u8,
    folder: tempfile::TempDir,
    root: Issuer<'static, KeyPair>,
    names: Names,
}

/// The port of other servers.
pub(crate) const PORT: u16 = 5269;

impl Town {
    /// A town whose DNS knows nobody yet.
    pub(crate) async fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut root = for_years(CertificateParams::new([]).unwrap());
        root.distinguished_name = named("The town's authority");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(folder.path().join("root.pem"), root.self_signed(&key).unwrap().pem()).unwrap();
        let names = Names::serve(SocketAddr::new(address(number, 250), 5353)).await;
        Self { number, folder, root: Issuer::new(root, key), names }
    }

    /// The address of the so-manieth house.
    pub(crate) fn address(&self, house: u8) -> IpAddr {
        address(self.number, house)
    }

    /// Where the names of the town are known.
    pub(crate) fn name_server(&self) -> SocketAddr {
        SocketAddr::new(self.address(250), 5353)
    }

    /// The names of the town.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// A file in the town's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The certificate of the authority.
    pub(crate) fn root(&self) -> PathBuf {
        self.file("root.pem")
    }

    /// A certificate for a domain by the authority of the town, and its key; both in PEM.
    pub(crate) fn certificate(&self, domain: &str) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let mut parameters = for_years(CertificateParams::new([in_ascii(domain)]).unwrap());
        parameters.distinguished_name = named(domain);
        let certificate = parameters.signed_by(&key, &self.root).unwrap();
        self.write(domain, &certificate.pem(), &key.serialize_pem())
    }

    /// A certificate for a domain that nobody else vouches for.
    pub(crate) fn self_signed(&self, domain: &str) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let parameters = for_years(CertificateParams::new([in_ascii(domain)]).unwrap());
        let certificate = parameters.self_signed(&key).unwrap();
        self.write(domain, &certificate.pem(), &key.serialize_pem())
    }

    fn write(&self, domain: &str, certificate: &str, key: &str) -> CertificateFiles {
        let files = CertificateFiles {
            certificate: self.file(&format!("{domain}.pem")),
            key: self.file(&format!("{domain}.key")),
        };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        fs::write(self.file(&format!("{domain}.both.pem")), format!("{certificate}{key}")).unwrap();
        files
    }

    /// Our server for `domain` in the so-manieth house, with these accounts.
    pub(crate) async fn rollcall(&self, house: u8, domain: &str, accounts: &[&str]) -> House {
        self.rollcall_with(house, domain, accounts, |_| {}).await
    }

    /// The same, with more of the configuration changed.
    pub(crate) async fn rollcall_with(
        &self,
        house: u8,
        domain: &str,
        accounts: &[&str],
        change: impl FnOnce(&mut Config),
    ) -> House {
        let place = SocketAddr::new(self.address(house), PORT);
        self.names.add_host(domain, self.address(house));
        let certificate = self.certificate(domain);
        let domain = Address::domain_only(domain).unwrap();
        let home = domain.clone();
        let house = House::start_with(|config| {
            config.server.domains = vec![home];
            config.tls.certificates = vec![certificate];
            config.federation.enabled = true;
            config.federation.starttls = vec![place];
            config.federation.direct_tls = Vec::new();
            config.federation.trusted = self.root();
            config.federation.name_servers = vec![self.name_server()];
            config.federation.connect_seconds = 10;
            config.federation.retry_seconds = 1;
            config.federation.retry_most_seconds = 1;
            change(config);
        })
        .await;
        for local in accounts {
            house.add_account_of(&Address::new(local, domain.domain()).unwrap()).await;
        }
        house
    }
}

/// Erlang cannot wait for the end of a certificate that is good for two thousand years.
fn for_years(mut parameters: CertificateParams) -> CertificateParams {
    parameters.not_after = rcgen::date_time_ymd(2049, 1, 1);
    parameters
}

/// A domain as DNS and certificates have it.
pub(crate) fn in_ascii(domain: &str) -> String {
    idna::domain_to_ascii(domain).unwrap()
}

/// Nobody but the authority may have its name: who has is taken for it.
fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn address(town: u8, house: u8) -> IpAddr {
    IpAddr::V4(loopback::address(town, house))
}

/// A client of any server, logged in and available.
pub(crate) async fn online(jid: &str, server: SocketAddr) -> Slixmpp {
    online_with(jid, server, json!({})).await
}

/// The same, with more said at the login.
pub(crate) async fn online_with(jid: &str, server: SocketAddr, more: Value) -> Slixmpp {
    let mut client = Slixmpp::start(&format!("slixmpp of {jid}"));
    client.login(jid, PASSWORD, server, more).await;
    client.act(json!({"do": "roster"})).await;
    client.act(json!({"do": "presence"})).await;
    client
}

/// Whether an event is presence of this type by somebody whose address begins so.
pub(crate) fn is_presence(event: &Value, from: &str, kind: &str) -> bool {
    event["type"] == kind && event["from"].as_str().is_some_and(|jid| jid.starts_with(from))
}

/// Makes the users of two clients contacts of each other, each of whom then sees the other.
pub(crate) async fn befriend(one: &mut Slixmpp, one_jid: &str, other: &mut Slixmpp, other_jid: &str) {
    one.act(json!({"do": "subscribe", "to": other_jid})).await;
    other.event("presence", |event| is_presence(event, one_jid, "subscribe")).await;
    other.act(json!({"do": "subscribed", "to": one_jid})).await;
    one.event("presence", |event| is_presence(event, &format!("{other_jid}/"), "available")).await;
    other.act(json!({"do": "subscribe", "to": one_jid})).await;
    one.event("presence", |event| is_presence(event, other_jid, "subscribe")).await;
    one.act(json!({"do": "subscribed", "to": other_jid})).await;
    other.event("presence", |event| is_presence(event, &format!("{one_jid}/"), "available")).await;
}
