//! A connection's bytes: read into the scanner, written with patience, bounded in rate.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};

use super::stanza::Scanner;
use crate::net::{Gcra, Limits, Rate, Stream};

/// A stream with its scanner. Holds no buffer while nothing is half read.
pub(super) struct Wire {
    pub(super) stream: Stream,
    pub(super) scanner: Scanner,
    rates: Rates,
    /// How long one write may take.
    patience: Duration,
    /// Nothing is read before.
    rest_until: Option<Instant>,
    /// How much of what is being written the stream has taken.
    taken: usize,
}

struct Rates {
    bytes: Rate,
    stanzas: Rate,
    read: Gcra,
    taken: Gcra,
}

impl Wire {
    pub(super) fn new(stream: Stream, scanner: Scanner, limits: &Limits, patience: Duration) -> Self {
        let rates = Rates {
            bytes: limits.bytes,
            stanzas: limits.messages,
            read: Gcra::default(),
            taken: Gcra::default(),
        };
        Self { stream, scanner, rates, patience, rest_until: None, taken: 0 }
    }

    /// Reads once into the scanner: the number of bytes, 0 at the end. Safe to drop and call again.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        if let Some(until) = self.rest_until {
            sleep_until(until).await;
        }
        std::future::poll_fn(|context| self.poll_read(context, Instant::now())).await
    }

    /// As [`Wire::read`], whether or not the peer may be heard now: see [`Wire::rest_until`].
    ///
    /// The buffer lives on the stack and only while the socket is asked, so that waiting costs none.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>, now: Instant) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        self.scanner.feed(buffer.filled());
        let count = buffer.filled().len();
        let units = u32::try_from(count).unwrap_or(u32::MAX);
        if let Err(wait) = self.rates.read.take(self.rates.bytes, units, now.into_std()) {
            self.rest_until = Some(now + wait);
        }
        Poll::Ready(Ok(count))
    }

    /// Whether one more stanza may be taken now. If not, [`Wire::rest_until`] tells when.
    pub(super) fn may_take_stanza(&mut self, now: Instant) -> bool {
        match self.rates.taken.take(self.rates.stanzas, 1, now.into_std()) {
            Ok(()) => true,
            Err(wait) => {
                self.rest_until = Some(now + wait);
                false
            }
        }
    }

    /// Hears nothing of the peer for a while.
    pub(super) fn rest(&mut self, now: Instant, pause: Duration) {
        let until = now + pause;
        self.rest_until = Some(self.rest_until.map_or(until, |before| before.max(until)));
    }

    /// When the peer may be heard again, where it sent faster than it may or the server is behind.
    pub(super) fn rest_until(&mut self, now: Instant) -> Option<Instant> {
        self.rest_until = self.rest_until.filter(|until| *until > now);
        self.rest_until
    }

    /// How long the peer may take over one write.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Writes and flushes all of `out`, and empties it. Until that is done, `out` may grow but not change.
    pub(super) fn poll_write(
        &mut self,
        out: &mut Vec<u8>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(&mut self.stream);
        while let Some(rest) = out.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match ready!(stream.as_mut().poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.taken += count,
            }
        }
        ready!(stream.poll_flush(context))?;
        self.taken = 0;
        out.clear();
        Poll::Ready(Ok(()))
    }

    /// Writes and flushes everything.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(self.patience, write).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Says that nothing more comes, if the peer still listens.
    pub(super) async fn close(&mut self) {
        let _ = timeout(GOODBYE, self.stream.shutdown()).await;
    }
}

/// As much as one TLS record holds.
const READ_BYTES: usize = 16 * 1024;
const GOODBYE: Duration = Duration::from_secs(5);
