//! What a picture is by its first bytes: its media type and, where it stands at a known place, its size.
//! Nothing is decoded: whether the rest is sound is for whoever shows it.

use crate::signal::{Avatar, AvatarHash, Timestamp};

/// What is known of a picture; `None` where it is none that is taken.
#[must_use]
pub fn describe(bytes: &[u8], since: Timestamp) -> Option<Avatar> {
    let (media_type, size) = recognise(bytes)?;
    Some(Avatar {
        hash: AvatarHash::of(bytes),
        media_type: media_type.into(),
        bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        size,
        since,
    })
}

/// The media type and the size of a picture; `None` where it is none that is taken.
fn recognise(bytes: &[u8]) -> Option<(&'static str, Option<(u32, u32)>)> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some(("image/png", png_size(bytes)));
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Some(("image/jpeg", jpeg_size(bytes)));
    }
    if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        let size = little(bytes, 6).zip(little(bytes, 8));
        return Some(("image/gif", size));
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some(("image/webp", webp_size(bytes)));
    }
    None
}

/// The first chunk of a PNG is its header.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    (bytes.get(12..16)? == b"IHDR").then_some(())?;
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    number(16).zip(number(20))
}

/// Walks over the segments of a JPEG to its frame.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let [0xff, marker, high, low] = *bytes.get(at..at + 4)? else { return None };
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if is_frame {
            return big(bytes, at + 7).zip(big(bytes, at + 5));
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        at += 2 + length.max(2);
    }
}

fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8 " => {
            let side = |at| little(bytes, at).map(|side| side & 0x3fff);
            side(26).zip(side(28))
        }
        b"VP8L" => {
            let packed = u32::from_le_bytes(bytes.get(21..25)?.try_into().ok()?);
            Some(((packed & 0x3fff) + 1, ((packed >> 14) & 0x3fff) + 1))
        }
        b"VP8X" => {
            let side = |at: usize| {
                let [low, middle, high] = *bytes.get(at..at + 3)? else { return None };
                Some(u32::from_le_bytes([low, middle, high, 0]) + 1)
            };
            side(24).zip(side(27))
        }
        _ => None,
    }
}

fn little(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into())
}

fn big(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_sizes_are_recognised() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x40\0\0\0\x20".as_slice();
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc2\0\x11\x08\0\x20\0\x40\x03".as_slice();
        let gif = b"GIF89a\x40\0\x20\0".as_slice();
        let lossy = b"RIFF....WEBPVP8 ....\0\0\0\x9d\x01\x2a\x40\0\x20\0".as_slice();
        let lossless = b"RIFF....WEBPVP8L....\x2f\x3f\xc0\x07\0".as_slice();
        let extended = b"RIFF....WEBPVP8X....\0\0\0\0\x3f\0\0\x1f\0\0".as_slice();
        let size = Some((64, 32));
        for (bytes, expect) in [
            (png, Some(("image/png", size))),
            (jpeg, Some(("image/jpeg", size))),
            (gif, Some(("image/gif", size))),
            (lossy, Some(("image/webp", size))),
            (lossless, Some(("image/webp", size))),
            (extended, Some(("image/webp", size))),
            (b"<svg/>", None),
            (b"", None),
            (b"RIFF....WAVE", None),
        ] {
            assert_eq!(recognise(bytes), expect, "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(start in 0..6_usize, rest in proptest::collection::vec(proptest::num::u8::ANY, 0..99)) {
            let starts: [&[u8]; 6] =
                [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF....WEBPVP8 ", b"RIFF....WEBPVP8X"];
            let _ = recognise(&[starts[start], &rest].concat());
        }
    }
}
