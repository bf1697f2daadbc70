//! Cuts a byte stream into top-level stanzas, as cheaply as it can be done.

use std::ops::Range;

use memchr::{memchr, memchr3};

/// What came and was not read yet. The header of the stream is a stanza of its own.
#[derive(Default)]
pub struct Splitter {
    pub buffer: Vec<u8>,
    /// Of the stanza that is being read.
    start: usize,
    /// The first byte that was not looked at yet.
    scan: usize,
    depth: u32,
}

impl Splitter {
    /// The next whole stanza; good until more bytes are read.
    pub fn next(&mut self) -> Option<&[u8]> {
        let range = self.next_range()?;
        self.buffer.get(range)
    }

    fn next_range(&mut self) -> Option<Range<usize>> {
        loop {
            let Some(open) = memchr(b'<', self.buffer.get(self.scan..)?) else {
                self.scan = self.buffer.len();
                return None;
            };
            let open = open + self.scan;
            self.scan = open;
            let end = self.end_of_tag(open + 1)?;
            self.scan = end;
            if let Some(start) = self.note_tag(open, end) {
                return Some(start..end);
            }
        }
    }

    /// Where the tag ends whose inside begins at `at`; quoted values may hold anything.
    fn end_of_tag(&self, mut at: usize) -> Option<usize> {
        loop {
            let mark = at + memchr3(b'>', b'"', b'\'', self.buffer.get(at..)?)?;
            match self.buffer.get(mark)? {
                b'>' => return Some(mark + 1),
                quote => at = mark + 2 + memchr(*quote, self.buffer.get(mark + 1..)?)?,
            }
        }
    }

    /// Counts the depth; the start of the stanza that ends with this tag.
    fn note_tag(&mut self, open: usize, end: usize) -> Option<usize> {
        let (first, last) = (self.buffer.get(open + 1)?, self.buffer.get(end - 2)?);
        match (first, last) {
            (b'?', _) => None,
            (b'/', _) => {
                self.depth = self.depth.saturating_sub(1);
                match self.depth {
                    1 => Some(self.start),
                    0 => Some(open), // </stream:stream>
                    _ => None,
                }
            }
            (_, b'/') => (self.depth == 1).then_some(open),
            _ => {
                self.depth += 1;
                match self.depth {
                    1 => Some(open), // <stream:stream>
                    2 => {
                        self.start = open;
                        None
                    }
                    _ => None,
                }
            }
        }
    }

    /// Drops what was read. To be called once [`Splitter::next`] said that there is no more.
    pub fn compact(&mut self) {
        let keep = if self.depth >= 2 { self.start } else { self.scan };
        self.buffer.drain(..keep);
        self.scan -= keep;
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_cut_wherever_the_bytes_are() {
        let stream = "<?xml version='1.0'?><s:s to='a'><a/><b x='>'><c/>y</b> <b><b>z</b></b></s:s>";
        let expect = ["<s:s to='a'>", "<a/>", "<b x='>'><c/>y</b>", "<b><b>z</b></b>", "</s:s>"];
        for size in 1..stream.len() {
            let (mut splitter, mut got) = (Splitter::default(), Vec::new());
            for piece in stream.as_bytes().chunks(size) {
                splitter.buffer.extend_from_slice(piece);
                while let Some(stanza) = splitter.next() {
                    got.push(String::from_utf8_lossy(stanza).into_owned());
                }
                splitter.compact();
            }
            assert_eq!(got, expect, "in pieces of {size}");
        }
    }
}
