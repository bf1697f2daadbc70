//! A connection's bytes: read into the scanner, written with patience, bounded in rate.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::{sleep_until, timeout};

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
        Self { stream, scanner, rates, patience, rest_until: None }
    }

    /// Reads once into the scanner: the number of bytes, 0 at the end. Safe to drop and call again.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        self.rested().await;
        let count = std::future::poll_fn(|context| self.poll_read(context)).await?;
        let units = u32::try_from(count).unwrap_or(u32::MAX);
        let now = Instant::now();
        if let Err(wait) = self.rates.read.take(self.rates.bytes, units, now) {
            self.rest_until = Some(now + wait);
        }
        Ok(count)
    }

    /// Reads once; or, where something is read and not handled yet, waits until it may be.
    pub(super) async fn read_unless(&mut self, has_more: bool) -> io::Result<Option<usize>> {
        if has_more {
            self.rested().await;
            return Ok(None);
        }
        self.read().await.map(Some)
    }

    /// The buffer lives on the stack and only while the socket is asked, so that waiting costs none.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        self.scanner.feed(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Whether one more stanza may be taken now. If not, [`Wire::rested`] tells when.
    pub(super) fn may_take_stanza(&mut self) -> bool {
        let now = Instant::now();
        match self.rates.taken.take(self.rates.stanzas, 1, now) {
            Ok(()) => true,
            Err(wait) => {
                self.rest_until = Some(now + wait);
                false
            }
        }
    }

    /// Waits until the peer may be heard again.
    pub(super) async fn rested(&mut self) {
        if let Some(until) = self.rest_until {
            sleep_until(until.into()).await;
            self.rest_until = None;
        }
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
