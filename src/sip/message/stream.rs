//! Messages on a byte stream (RFC 3261 §18.3) and the keep-alives between them (RFC 5626 §3.5.1).
//! The head is scanned for its end once, however slowly the bytes trickle in.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use memchr::memchr_iter;

use super::{
    error::ParseError,
    limits::Limits,
    parse::{Mode, content_length, parse_head},
    span::{Head, Message},
};

/// What a stream yields.
#[derive(Clone, Debug)]
pub enum Frame {
    /// A whole message.
    Message(Message),
    /// A double CRLF; the answer is one CRLF (RFC 5626 §4.4.1).
    Ping,
}

/// Cuts a stream into messages. One for each connection, beside its buffer.
#[derive(Debug, Default)]
pub struct Framer {
    /// Bytes of the buffer in which no empty line ends.
    scanned: usize,
    /// A head whose body has not all come, and where the body ends.
    pending: Option<(Head, usize)>,
}

impl Framer {
    /// Takes the next frame from the front of the buffer. `None` when more bytes are needed.
    ///
    /// # Errors
    /// See [`ParseError`]. Where the next message starts is then unknown: the connection is to be closed,
    /// after [`Message::salvage`] of the buffer has told whom to answer.
    pub fn next(&mut self, buffer: &mut BytesMut, limits: &Limits) -> Result<Option<Frame>, ParseError> {
        if self.pending.is_none() {
            match skip_line_breaks(buffer, self.scanned) {
                Breaks::Ping => return Ok(Some(Frame::Ping)),
                Breaks::Wait => return Ok(None),
                Breaks::None => {}
            }
            self.pending = self.next_head(buffer, limits)?;
        }
        match self.pending.take() {
            Some((head, end)) if buffer.len() >= end => {
                self.scanned = 0;
                let bytes = buffer.split_to(end).freeze();
                Ok(Some(Frame::Message(Message { bytes, head: Arc::new(head) })))
            }
            pending => {
                self.pending = pending;
                Ok(None)
            }
        }
    }

    /// Whether a message has begun and not ended: what a timeout against slow senders asks.
    #[must_use]
    pub fn is_inside_message(&self) -> bool {
        self.pending.is_some() || self.scanned > 0
    }

    fn next_head(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<(Head, usize)>, ParseError> {
        if !has_empty_line(buffer, self.scanned) {
            self.scanned = buffer.len();
            return if buffer.len() > limits.head { Err(ParseError::HeadTooLarge) } else { Ok(None) };
        }
        let Some(head) = parse_head(buffer, limits, Mode::Strict)? else {
            self.scanned = buffer.len();
            return Ok(None);
        };
        let length = content_length(&head, buffer)?.ok_or(ParseError::MissingContentLength)?;
        if length > limits.body as u64 {
            return Err(ParseError::BodyTooLarge);
        }
        let end = head.end + usize::try_from(length).map_err(|_| ParseError::BodyTooLarge)?;
        Ok(Some((head, end)))
    }
}

/// Whether a datagram is only a keep-alive: line breaks, zeros or nothing (RFC 5626 §3.5.1).
#[must_use]
pub fn is_keep_alive(datagram: &[u8]) -> bool {
    datagram.len() <= 8 && datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0 | b' '))
        // COMPAT(linphone): an early keep-alive of its stack.
        || datagram == b"jaK\0" || datagram == b"jaK"
}

enum Breaks {
    None,
    Ping,
    /// What is there may become a ping.
    Wait,
}

fn skip_line_breaks(buffer: &mut BytesMut, scanned: usize) -> Breaks {
    if scanned > 0 {
        return Breaks::None;
    }
    loop {
        match &**buffer {
            [b'\r', b'\n', b'\r', b'\n', ..] => {
                buffer.advance(4);
                return Breaks::Ping;
            }
            [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Breaks::Wait,
            [b'\r', b'\n', ..] => buffer.advance(2),
            [b'\n', ..] => buffer.advance(1),
            _ => return Breaks::None,
        }
    }
}

/// Whether an empty line ends after `scanned`; a break may straddle that border.
fn has_empty_line(buffer: &[u8], scanned: usize) -> bool {
    let from = scanned.saturating_sub(3);
    let tail = buffer.get(from..).unwrap_or_default();
    memchr_iter(b'\n', tail).any(|at| matches!(tail.get(at + 1..), Some([b'\n', ..] | [b'\r', b'\n', ..])))
}
