//! Request methods (RFC 3261 §7.1 and its extensions). Method tokens are case-sensitive.

use std::fmt;

use compact_str::CompactString;

use super::text::is_token;

macro_rules! methods {
    ($($variant:ident $text:literal $source:literal;)*) => {
        /// A request method.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $(#[doc = $source] $variant,)*
            /// A method this server has no name for, as it was written.
            Other(CompactString),
        }

        impl Method {
            /// Reads a method token; `None` when it is not a token.
            #[must_use]
            pub fn from_token(token: &str) -> Option<Self> {
                match token {
                    $($text => Some(Self::$variant),)*
                    _ if is_token(token.as_bytes()) => Some(Self::Other(token.into())),
                    _ => None,
                }
            }

            /// The token as it stands in a request line.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(token) => token,
                }
            }
        }
    };
}

methods! {
    Invite "INVITE" "RFC 3261 §13";
    Ack "ACK" "RFC 3261 §13";
    Bye "BYE" "RFC 3261 §15";
    Cancel "CANCEL" "RFC 3261 §9";
    Options "OPTIONS" "RFC 3261 §11";
    Register "REGISTER" "RFC 3261 §10";
    Message "MESSAGE" "RFC 3428";
    Subscribe "SUBSCRIBE" "RFC 6665";
    Notify "NOTIFY" "RFC 6665";
    Publish "PUBLISH" "RFC 3903";
    Info "INFO" "RFC 6086";
    Update "UPDATE" "RFC 3311";
    Prack "PRACK" "RFC 3262";
    Refer "REFER" "RFC 3515";
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_case_sensitive_and_never_unescaped() {
        assert_eq!(Method::from_token("INVITE"), Some(Method::Invite));
        assert_eq!(Method::from_token("invite"), Some(Method::Other("invite".into())));
        assert_eq!(Method::from_token("IN%56ITE"), Some(Method::Other("IN%56ITE".into())));
        assert_eq!(Method::from_token("IN VITE"), None);
        assert_eq!(Method::from_token(""), None);
    }
}
