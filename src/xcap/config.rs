//! What the operator may choose about XCAP.

use serde::{Deserialize, Serialize};

/// The section `[xcap]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The path of the XCAP root on the web listeners; empty to serve no XCAP. Default: `/xcap-root`.
    pub root: String,
    /// Passwords in the clear (HTTP Basic) are taken over TLS; Digest and tokens always are. Default: true.
    pub basic: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { root: "/xcap-root".to_owned(), basic: true }
    }
}

impl Config {
    /// Says what is out of range, in words for the operator.
    ///
    /// # Errors
    /// The name of the first option that is wrong, and what it must be.
    pub fn check(&self) -> Result<(), String> {
        if self.root.is_empty() || is_root(&self.root) {
            return Ok(());
        }
        Err(format!("xcap.root is {:?}, it must be a path like /xcap-root, outside of /api", self.root))
    }
}

/// Whether a text is an absolute path of plain segments that is not the web API's.
fn is_root(text: &str) -> bool {
    let is_plain = |segment: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed)
    };
    text.strip_prefix('/')
        .is_some_and(|path| path.split('/').all(is_plain) && path.split('/').next() != Some("api"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_paths_of_their_own() {
        for (root, is_fine) in [
            ("/xcap-root", true),
            ("/services/xcap", true),
            ("", true),
            ("/", false),
            ("xcap", false),
            ("/xcap/", false),
            ("/a/../b", false),
            ("/api", false),
            ("/api/xcap", false),
            ("/apis", true),
            ("/{x}", false),
            ("/a?b", false),
        ] {
            let config = Config { root: root.to_owned(), ..Config::default() };
            assert_eq!(config.check().is_ok(), is_fine, "{root}");
        }
        assert_eq!(Config::default().check(), Ok(()));
    }
}
