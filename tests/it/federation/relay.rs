//! A way to a server that can be made to swallow what is written either way, and be cut.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::support::soon;

/// Listens, and carries what it hears to a server and back, until it is dropped.
pub(crate) struct Relay {
    mode: watch::Sender<Mode>,
    swallowed: watch::Receiver<usize>,
    /// How much was swallowed before the last time that it began.
    before: usize,
    _task: JoinSet<()>,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Mode {
    /// What is written to the server is thrown away.
    is_deaf: bool,
    /// What the server writes is thrown away.
    is_mute: bool,
    /// Connections of an earlier one are over.
    generation: u32,
}

impl Relay {
    pub(crate) async fn start(place: SocketAddr, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(place).await.unwrap();
        let (mode, seen) = watch::channel(Mode::default());
        let (count, swallowed) = watch::channel(0);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, server, seen.clone(), count.clone()));
            }
        });
        Self { mode, swallowed, before: 0, _task: task }
    }

    /// From now on the server hears nothing; it still can talk.
    pub(crate) fn deafen(&mut self) {
        self.before = *self.swallowed.borrow();
        self.mode.send_modify(|mode| mode.is_deaf = true);
    }

    /// From now on nobody hears the server; it still can listen.
    pub(crate) fn mute(&mut self) {
        self.before = *self.swallowed.borrow();
        self.mode.send_modify(|mode| mode.is_mute = true);
    }

    /// Waits until something was written that did not arrive.
    pub(crate) async fn swallow(&mut self) {
        let before = self.before;
        soon("something to swallow", self.swallowed.wait_for(|count| *count > before)).await.unwrap();
    }

    /// Ends all connections; the next ones are as they should be.
    pub(crate) fn cut(&self) {
        let next = |mode: &Mode| Mode { generation: mode.generation + 1, ..Mode::default() };
        self.mode.send_modify(|mode| *mode = next(mode));
    }
}

async fn carry(
    mut client: TcpStream,
    server: SocketAddr,
    mut mode: watch::Receiver<Mode>,
    swallowed: watch::Sender<usize>,
) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let born = mode.borrow_and_update().generation;
    let (mut said, mut answered) = (vec![0; 16384], vec![0; 16384]);
    loop {
        let done = tokio::select! {
            read = client.read(&mut said) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) if mode.borrow().is_deaf => {
                    swallowed.send_modify(|count| *count += length);
                    Ok(())
                }
                Ok(length) => server.write_all(&said[..length]).await,
            },
            read = server.read(&mut answered) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) if mode.borrow().is_mute => {
                    swallowed.send_modify(|count| *count += length);
                    Ok(())
                }
                Ok(length) => client.write_all(&answered[..length]).await,
            },
            changed = mode.changed() => match changed {
                Ok(()) if mode.borrow().generation == born => Ok(()),
                _ => return,
            },
        };
        if done.is_err() {
            return;
        }
    }
}
