//! What becomes of a web connection when its HTTP part is over: a WebSocket, served by the connection's own task.

use std::{future::Future, pin::Pin};

use tokio::sync::mpsc;

/// Where a request leaves what goes on over its connection. Every web request carries one.
#[derive(Clone, Debug)]
pub struct Aftermath(mpsc::Sender<Work>);

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The other end: the connection's task waits here.
#[derive(Debug)]
pub struct Aftermaths(mpsc::Receiver<Work>);

impl Aftermath {
    /// Both ends, for one connection.
    #[must_use]
    pub fn channel() -> (Self, Aftermaths) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Aftermaths(receiver))
    }

    /// Leaves work to the connection's task. One piece at most; it is dropped where there is one already, or where
    /// the task was aborted.
    pub fn leave(&self, work: impl Future<Output = ()> + Send + 'static) {
        let _ = self.0.try_send(Box::pin(work));
    }
}

impl Aftermaths {
    /// Does what was left, once every [`Aftermath`] of the connection is used or gone.
    pub async fn run(mut self) {
        let work = self.0.recv().await;
        drop(self);
        if let Some(work) = work {
            work.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_left_is_done_once() {
        let (left, aftermaths) = Aftermath::channel();
        let (done, mut doing) = mpsc::channel(2);
        for _ in 0..2 {
            let done = done.clone();
            left.leave(async move { done.send(()).await.unwrap() });
        }
        drop(done);
        aftermaths.run().await;
        assert_eq!((doing.recv().await, doing.recv().await), (Some(()), None));
    }

    #[tokio::test]
    async fn nothing_left_is_nothing_to_do() {
        let (left, aftermaths) = Aftermath::channel();
        drop(left);
        aftermaths.run().await;
    }
}
