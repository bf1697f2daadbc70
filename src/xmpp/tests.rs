//! Sessions without sockets, for tests of what happens to them when a connection ends.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{sync::oneshot, task::yield_now};

use super::{
    Config, Door, Parts,
    door::Shared,
    login,
    queue::Queue,
    session::{Asked, Client},
    xep::Answer,
};
use crate::{
    account::Sink,
    admin::new_rooms,
    net::{Gate, Limits, Tls, TlsConfig},
    signal::{Address, Availability, Presence, Resource, Timestamp},
};

/// What all connections of a server share on which alice and bob have accounts. The folder goes with it.
pub(super) struct Room {
    pub(super) shared: Arc<Shared>,
    _folder: TempDir,
}

pub(super) fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

impl Room {
    pub(super) async fn new() -> Self {
        let (admin, accounts, authenticator, folder) = new_rooms();
        for name in ["alice", "bob"] {
            authenticator.create_account(&address(name), "secret", false).await.unwrap();
        }
        let tls = Tls::open(&TlsConfig::default(), folder.path(), &[]).unwrap();
        let limits = Limits::default();
        let gate = Gate::new(&limits);
        let parts = Parts { accounts, authenticator, tls, gate, limits, admin, has_web: false };
        let config = Config { starttls: Vec::new(), direct_tls: Vec::new(), ..Config::default() };
        let shared = Door::open(&config, parts).unwrap().answers().0;
        Self { shared, _folder: folder }
    }

    /// A session of this owner, who is available.
    pub(super) async fn session(&self, owner: &str) -> (Box<Client>, Arc<Queue>) {
        let queue = login::queue(&self.shared);
        let sink: Arc<dyn Sink> = Arc::<Queue>::clone(&queue);
        let spec = login::spec(Resource::new("one").unwrap(), None);
        let session = self.shared.accounts.open(&address(owner), spec, sink).await.unwrap();
        let now = Timestamp::now();
        session.announce(Arc::new(Presence { availability: Availability::Online, ..Presence::offline(now) }));
        (Box::new(Client::new(Arc::clone(&self.shared), session, None, None)), queue)
    }

    /// As [`Room::session`], and its stream can be resumed.
    pub(super) async fn resumable(&self, owner: &str) -> (Box<Client>, Arc<Queue>) {
        let (mut client, queue) = self.session(owner).await;
        client.sit_down();
        client.management.enable(None);
        (client, queue)
    }
}

impl Client {
    /// Begins something that is not done at once; what comes back tells when it is, or that it was dropped.
    pub(super) fn begin_slowly(&mut self) -> oneshot::Receiver<()> {
        let (done, is_done) = oneshot::channel();
        let work = async {
            yield_now().await;
            let _ = done.send(());
            Answer::done()
        };
        self.begin(Asked { id: "slow", from: None, ticket: None }, Box::pin(work));
        is_done
    }
}

/// How long something may take that is to come.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
