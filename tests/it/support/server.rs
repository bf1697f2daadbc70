//! A whole server in the process of the test, on free ports of the loopback, in a folder of its own.
//!
//! [`House::restart`] opens the same folder again, as after a crash of everything but the disk, or in
//! good order. Passwords are hashed as cheaply as the options allow, since tests prove no strength.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use rollcall::{
    account::{Preferences, PreferencesChange, Reply, Request},
    config::Config,
    server::{Server, StartError},
    signal::Address,
    storage::StoreError,
    xmpp,
};

use super::{PATIENCE, soon};

/// The password of every account that a test does not care about; baresip reads none with a space in it.
pub(crate) const PASSWORD: &str = "correct-horse";

/// A running server and its data folder, which goes with it.
pub(crate) struct House {
    server: Option<Server>,
    config: Config,
    folder: tempfile::TempDir,
}

impl House {
    /// A server for `localhost` with the test's defaults.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A server whose configuration the test changes.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = test_config(folder.path());
        change(&mut config);
        let mut house = Self { server: None, config, folder };
        house.open().await;
        house
    }

    /// A server with accounts for these local parts, with [`PASSWORD`].
    pub(crate) async fn with_accounts(locals: &[&str]) -> Self {
        let house = Self::start().await;
        for local in locals {
            house.add_account(local).await;
        }
        house
    }

    /// A program that another test starts at this moment has a copy of every file of this process, and of the
    /// lock on the folder, until it is itself: so one that is in use is asked for again.
    async fn open(&mut self) {
        let begun = Instant::now();
        let server = loop {
            match soon("the server's start", Server::start(self.config.clone())).await {
                Ok(server) => break server,
                Err(StartError::Store(StoreError::InUse)) if begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        self.server = Some(server);
    }

    /// Stops the server in good order and starts it again in the same folder, on new ports.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.open().await;
    }

    /// Stops the server in good order. The folder stays.
    pub(crate) async fn stop(&mut self) {
        let server = self.server.take().expect("the server runs");
        soon("the server's stop", server.stop()).await;
    }

    /// Starts it again after [`House::stop`], in the same folder.
    pub(crate) async fn start_again(&mut self) {
        self.open().await;
    }

    /// The server, for what has no helper here.
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("the server runs")
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the account `LOCAL@localhost` with [`PASSWORD`].
    pub(crate) async fn add_account(&self, local: &str) {
        self.add_account_of(&address(local)).await;
    }

    /// Makes the account of any of the server's domains, with [`PASSWORD`].
    pub(crate) async fn add_account_of(&self, address: &Address) {
        let made = self.server().authenticator().create_account(address, PASSWORD, false).await;
        made.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    /// Changes the preferences of an account.
    pub(crate) async fn prefer(&self, local: &str, change: impl FnOnce(&mut Preferences)) {
        self.prefer_of(&address(local), change).await;
    }

    /// As [`Self::prefer`], for an account of any domain.
    pub(crate) async fn prefer_of(&self, address: &Address, change: impl FnOnce(&mut Preferences)) {
        let accounts = self.server().accounts();
        let reply = soon("the preferences", accounts.ask(address, Request::Preferences)).await.unwrap();
        let Reply::Preferences(was) = reply else { panic!("{address}: {reply:?}") };
        let mut now = was.clone();
        change(&mut now);
        let change = Request::SetPreferences(Box::new(PreferencesChange { was, now }));
        soon("new preferences", accounts.ask(address, change)).await.unwrap();
    }

    /// Where XMPP clients begin in the clear and ask for TLS.
    pub(crate) fn xmpp(&self) -> SocketAddr {
        self.xmpp_entrance(xmpp::Entrance::StartTls)
    }

    /// Where XMPP clients begin with TLS.
    pub(crate) fn xmpp_direct_tls(&self) -> SocketAddr {
        self.xmpp_entrance(xmpp::Entrance::DirectTls)
    }

    /// Where XMPP clients speak in the clear for good.
    pub(crate) fn xmpp_plain(&self) -> SocketAddr {
        self.xmpp_entrance(xmpp::Entrance::Plain)
    }

    /// Where browsers and programs are served in the clear.
    pub(crate) fn http(&self) -> SocketAddr {
        self.server().http_addresses().first().copied().expect("there is an HTTP listener")
    }

    /// Where browsers and programs are served with TLS.
    pub(crate) fn https(&self) -> SocketAddr {
        self.server().https_addresses().first().copied().expect("there is an HTTPS listener")
    }

    /// Where phones speak over UDP.
    pub(crate) fn sip_udp(&self) -> SocketAddr {
        self.server().sip_addresses().udp[0]
    }

    /// Where phones speak over TCP.
    pub(crate) fn sip_tcp(&self) -> SocketAddr {
        self.server().sip_addresses().tcp[0]
    }

    /// Where phones speak over TLS.
    pub(crate) fn sip_tls(&self) -> SocketAddr {
        self.server().sip_addresses().tls[0]
    }

    fn xmpp_entrance(&self, wanted: xmpp::Entrance) -> SocketAddr {
        let addresses = self.server().xmpp_addresses();
        let found = addresses.iter().find(|(entrance, _)| *entrance == wanted);
        found.unwrap_or_else(|| panic!("no {wanted:?} in {addresses:?}")).1
    }
}

/// `LOCAL@localhost`.
pub(crate) fn address(local: &str) -> Address {
    Address::new(local, "localhost").unwrap()
}

/// Free ports of the loopback, cheap passwords.
fn test_config(folder: &Path) -> Config {
    let port_0 = || vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let mut config = Config::default();
    config.server.data_dir = folder.to_owned();
    config.storage.data_dir = folder.to_owned();
    config.auth.argon2_memory_kib = 8;
    config.auth.argon2_passes = 1;
    config.auth.scram_iterations = 4096;
    config.xmpp.starttls = port_0();
    config.xmpp.direct_tls = port_0();
    config.xmpp.plain = port_0();
    // A test that wants other servers says where they are.
    config.federation.enabled = false;
    config.federation.starttls = port_0();
    config.federation.direct_tls = port_0();
    config.api.http = port_0();
    config.api.https = port_0();
    config.sip.udp = port_0();
    config.sip.tcp = port_0();
    config.sip.tls = port_0();
    config.sip.register_min_seconds = 1;
    config
}
