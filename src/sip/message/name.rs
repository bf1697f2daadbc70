//! Header names: the ones the server reads, by their long and compact forms, case-insensitively
//! (RFC 3261 §7.3.1, §20; compact forms from the IANA table). Any other name stays as it was written.

use std::fmt;

macro_rules! header_names {
    ($($variant:ident $text:literal $($key:literal)|+;)*) => {
        /// A header the server knows by name, or [`HeaderName::Other`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum HeaderName {
            $(#[doc = $text] $variant,)*
            /// A header known by its written name only.
            Other,
        }

        impl HeaderName {
            /// Reads a name in any case, long or compact.
            #[must_use]
            pub fn from_bytes(name: &[u8]) -> Self {
                let mut place = place_of(name);
                while let Some((known, header)) = PLACES.get(place).and_then(|at| KEYS.get(usize::from(*at))) {
                    if known.eq_ignore_ascii_case(name) {
                        return *header;
                    }
                    place = (place + 1) % PLACES.len();
                }
                Self::Other
            }

            /// The long form as the RFCs write it; empty for [`HeaderName::Other`].
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other => "",
                }
            }
        }

        /// Every name in lower case, long or compact.
        const KEYS: &[(&[u8], HeaderName)] = &[$($(($key, HeaderName::$variant),)+)*];
    };
}

header_names! {
    Accept "Accept" b"accept";
    AcceptContact "Accept-Contact" b"accept-contact" | b"a";
    AcceptEncoding "Accept-Encoding" b"accept-encoding";
    AcceptLanguage "Accept-Language" b"accept-language";
    AlertInfo "Alert-Info" b"alert-info";
    Allow "Allow" b"allow";
    AllowEvents "Allow-Events" b"allow-events" | b"u";
    AuthenticationInfo "Authentication-Info" b"authentication-info";
    Authorization "Authorization" b"authorization";
    CSeq "CSeq" b"cseq";
    CallId "Call-ID" b"call-id" | b"i";
    CallInfo "Call-Info" b"call-info";
    Contact "Contact" b"contact" | b"m";
    ContentDisposition "Content-Disposition" b"content-disposition";
    ContentEncoding "Content-Encoding" b"content-encoding" | b"e";
    ContentLanguage "Content-Language" b"content-language";
    ContentLength "Content-Length" b"content-length" | b"l";
    ContentType "Content-Type" b"content-type" | b"c";
    Date "Date" b"date";
    ErrorInfo "Error-Info" b"error-info";
    Event "Event" b"event" | b"o";
    Expires "Expires" b"expires";
    FlowTimer "Flow-Timer" b"flow-timer";
    From "From" b"from" | b"f";
    HistoryInfo "History-Info" b"history-info";
    Identity "Identity" b"identity" | b"y";
    InReplyTo "In-Reply-To" b"in-reply-to";
    Join "Join" b"join";
    MaxForwards "Max-Forwards" b"max-forwards";
    MimeVersion "MIME-Version" b"mime-version";
    MinExpires "Min-Expires" b"min-expires";
    MinSe "Min-SE" b"min-se";
    Organization "Organization" b"organization";
    PAssertedIdentity "P-Asserted-Identity" b"p-asserted-identity";
    PPreferredIdentity "P-Preferred-Identity" b"p-preferred-identity";
    Path "Path" b"path";
    Priority "Priority" b"priority";
    Privacy "Privacy" b"privacy";
    ProxyAuthenticate "Proxy-Authenticate" b"proxy-authenticate";
    ProxyAuthorization "Proxy-Authorization" b"proxy-authorization";
    ProxyRequire "Proxy-Require" b"proxy-require";
    RAck "RAck" b"rack";
    RSeq "RSeq" b"rseq";
    Reason "Reason" b"reason";
    RecordRoute "Record-Route" b"record-route";
    ReferTo "Refer-To" b"refer-to" | b"r";
    ReferredBy "Referred-By" b"referred-by" | b"b";
    RejectContact "Reject-Contact" b"reject-contact" | b"j";
    Replaces "Replaces" b"replaces";
    RemotePartyId "Remote-Party-ID" b"remote-party-id";
    ReplyTo "Reply-To" b"reply-to";
    RequestDisposition "Request-Disposition" b"request-disposition" | b"d";
    Require "Require" b"require";
    RetryAfter "Retry-After" b"retry-after";
    Route "Route" b"route";
    Server "Server" b"server";
    ServiceRoute "Service-Route" b"service-route";
    SessionExpires "Session-Expires" b"session-expires" | b"x";
    SipEtag "SIP-ETag" b"sip-etag";
    SipIfMatch "SIP-If-Match" b"sip-if-match";
    Subject "Subject" b"subject" | b"s";
    SubscriptionState "Subscription-State" b"subscription-state";
    Supported "Supported" b"supported" | b"k";
    SuppressIfMatch "Suppress-If-Match" b"suppress-if-match";
    Timestamp "Timestamp" b"timestamp";
    To "To" b"to" | b"t";
    Unsupported "Unsupported" b"unsupported";
    UserAgent "User-Agent" b"user-agent";
    Via "Via" b"via" | b"v";
    Warning "Warning" b"warning";
    WwwAuthenticate "WWW-Authenticate" b"www-authenticate";
}

impl fmt::Display for HeaderName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Other => "extension header",
            known => known.as_str(),
        })
    }
}

/// Where a name stands in [`PLACES`], or before where it stands: by its length and both ends.
const fn place_of(name: &[u8]) -> usize {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return 0 };
    let (first, last) = (first.to_ascii_lowercase() as usize, last.to_ascii_lowercase() as usize);
    (first * 31 + last * 7 + name.len() * 3) % PLACES.len()
}

/// Places in [`KEYS`]; one without a key ends a search. Made by the compiler, so that a name costs one
/// comparison and not eighty.
static PLACES: [u8; 512] = {
    let mut places = [u8::MAX; 512];
    let mut index = 0;
    while index < KEYS.len() {
        let mut place = place_of(KEYS[index].0);
        while places[place] != u8::MAX {
            place = (place + 1) % places.len();
        }
        #[allow(clippy::cast_possible_truncation, reason = "there are fewer than 255 names")]
        let key = index as u8;
        places[place] = key;
        index += 1;
    }
    places
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_by_compact_form() {
        for (written, name) in [
            ("Via", HeaderName::Via),
            ("v", HeaderName::Via),
            ("V", HeaderName::Via),
            ("TO", HeaderName::To),
            ("cseq", HeaderName::CSeq),
            ("MaX-fOrWaRdS", HeaderName::MaxForwards),
            ("o", HeaderName::Event),
            ("L", HeaderName::ContentLength),
            ("www-AUTHENTICATE", HeaderName::WwwAuthenticate),
            ("C%6Fntact", HeaderName::Other),
            ("an-extension-header-of-great-length", HeaderName::Other),
            ("", HeaderName::Other),
        ] {
            assert_eq!(HeaderName::from_bytes(written.as_bytes()), name, "{written}");
        }
    }

    #[test]
    fn every_name_is_found() {
        for (key, name) in KEYS {
            assert_eq!(HeaderName::from_bytes(key), *name);
            assert_eq!(HeaderName::from_bytes(&key.to_ascii_uppercase()), *name);
        }
    }
}
