//! XEP-0185: dialback keys that need no memory. Whoever has the secret can say whether a key is one of his.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::pair::Pair;
use crate::formats::hex;

/// What the keys of this server are made of.
pub(super) struct Secret(String);

impl Secret {
    /// A secret of these bytes, which nobody can guess.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(hex::print(&Sha256::digest(bytes)))
    }

    /// The key that proves on the stream `stream_id`, opened to the other domain, that we are ours.
    pub(super) fn key(&self, pair: &Pair, stream_id: &str) -> String {
        let text = format!("{} {} {stream_id}", pair.remote, pair.local);
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("a key may have any length");
        mac.update(text.as_bytes());
        hex::print(&mac.finalize().into_bytes())
    }

    /// Whether a key is ours for that stream.
    pub(super) fn is_key(&self, key: &str, pair: &Pair, stream_id: &str) -> bool {
        bool::from(self.key(pair, stream_id).as_bytes().ct_eq(key.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Address;

    #[test]
    fn key_is_that_of_the_specification() {
        let pair = Pair {
            local: Address::parse("example.org").unwrap(),
            remote: Address::parse("xmpp.example.com").unwrap(),
        };
        let secret = Secret::new(b"s3cr3tf0rd14lb4ck");
        let key = "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643";
        assert_eq!(secret.key(&pair, "D60000229F"), key);
        assert!(secret.is_key(key, &pair, "D60000229F"));
        assert!(!secret.is_key(key, &pair, "D60000229E"));
        assert!(!secret.is_key("", &pair, "D60000229F"));
    }
}
