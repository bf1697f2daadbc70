//! XEP-0478: Stream Limits Advertisement. What is announced is what the scanner and the conversation enforce.

/// The bounds of a stream, for its features.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bytes of the largest first-level element before login.
    pub before_login: usize,
    /// The same after it.
    pub after_login: usize,
    /// Seconds of silence after which a client that is logged in is asked whether it is there.
    pub idle_seconds: u32,
}

impl StreamLimits {
    pub(super) fn print_before_login(&self, out: &mut Vec<u8>) {
        let bytes = self.before_login;
        out.extend_from_slice(
            format!("<limits xmlns='{NAMESPACE}'><max-bytes>{bytes}</max-bytes></limits>").as_bytes(),
        );
    }

    pub(super) fn print_after_login(&self, out: &mut Vec<u8>) {
        let (bytes, seconds) = (self.after_login, self.idle_seconds);
        out.extend_from_slice(
            format!(
                "<limits xmlns='{NAMESPACE}'><max-bytes>{bytes}</max-bytes>\
                 <idle-seconds>{seconds}</idle-seconds></limits>"
            )
            .as_bytes(),
        );
    }
}

const NAMESPACE: &str = "urn:xmpp:stream-limits:0";
