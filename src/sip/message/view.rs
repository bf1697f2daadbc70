//! Typed views of the headers of a message, made when they are asked for.

use std::borrow::Cow;

use compact_str::CompactString;
use jiff::Timestamp;

use super::{
    address::{Contacts, NameAddr, parse_seconds},
    error::{HeaderError, Malformed},
    name::HeaderName,
    span::{Field, Message, StartLine},
    text::{is_token, parse_digits},
    uri::Uri,
    values::{AuthParams, CSeq, MediaType, TokenParams, parse_date},
    via::Via,
};

impl Message {
    /// The request URI.
    ///
    /// # Errors
    /// Malformed, or this is a response.
    pub fn request_uri(&self) -> Result<Uri, HeaderError> {
        match self.start() {
            StartLine::Request { uri, .. } => Uri::parse(uri).map_err(|_| HeaderError::RequestUri),
            StartLine::Response { .. } => Err(HeaderError::RequestUri),
        }
    }

    /// `From` (RFC 3261 §20.20).
    ///
    /// # Errors
    /// Missing, repeated or malformed.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.required(HeaderName::From, NameAddr::parse)
    }

    /// `To` (RFC 3261 §20.39).
    ///
    /// # Errors
    /// Missing, repeated or malformed.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.required(HeaderName::To, NameAddr::parse)
    }

    /// `Call-ID` (RFC 3261 §20.8), compared byte by byte.
    ///
    /// # Errors
    /// Missing, repeated or not UTF-8.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        let field = self.only(HeaderName::CallId)?.ok_or(HeaderError::Missing(HeaderName::CallId))?;
        str::from_utf8(field.raw()).map_err(|_| HeaderError::Malformed(HeaderName::CallId))
    }

    /// `CSeq` (RFC 3261 §20.16).
    ///
    /// # Errors
    /// Missing, repeated or malformed.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.required(HeaderName::CSeq, CSeq::parse)
    }

    /// The first `Via` value (RFC 3261 §20.42).
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn top_via(&self) -> Result<Via, HeaderError> {
        let field = self.field(HeaderName::Via).ok_or(HeaderError::Missing(HeaderName::Via))?;
        let value = field.values().next().unwrap_or_default();
        Via::parse(&value).map_err(|_| HeaderError::Malformed(HeaderName::Via))
    }

    /// All `Via` values, the top one first.
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.list(HeaderName::Via, Via::parse)
    }

    /// `Max-Forwards`, 0 to 255 (RFC 3261 §20.22).
    ///
    /// # Errors
    /// Repeated or out of range.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        self.optional(HeaderName::MaxForwards, |text| parse_digits(text).ok_or(Malformed("max-forwards")))
    }

    /// `Contact` (RFC 3261 §20.10); an empty list when there is none.
    ///
    /// # Errors
    /// A malformed value, or an asterisk that is not alone.
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        let mut values = self.values(HeaderName::Contact);
        if values.next().as_deref() == Some("*") && values.next().is_none() {
            return Ok(Contacts::Wildcard);
        }
        self.list(HeaderName::Contact, NameAddr::parse).map(Contacts::List)
    }

    /// The first `Contact` address: the remote target of a dialog.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn contact(&self) -> Result<NameAddr, HeaderError> {
        match self.contacts()? {
            Contacts::List(list) => list.into_iter().next().ok_or(HeaderError::Missing(HeaderName::Contact)),
            Contacts::Wildcard => Err(HeaderError::Malformed(HeaderName::Contact)),
        }
    }

    /// All `Route` values, the next hop first (RFC 3261 §20.34).
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(HeaderName::Route, NameAddr::parse)
    }

    /// All `Record-Route` values in their order (RFC 3261 §20.30).
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(HeaderName::RecordRoute, NameAddr::parse)
    }

    /// `Expires` in seconds (RFC 3261 §20.19): too large is the largest value, malformed is none.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        parse_seconds(&self.text(HeaderName::Expires)?)
    }

    /// `Min-Expires` in seconds (RFC 3261 §20.23).
    #[must_use]
    pub fn min_expires(&self) -> Option<u32> {
        parse_seconds(&self.text(HeaderName::MinExpires)?)
    }

    /// `Event` (RFC 6665 §8.2.1).
    ///
    /// # Errors
    /// Repeated or malformed.
    pub fn event(&self) -> Result<Option<TokenParams>, HeaderError> {
        self.optional(HeaderName::Event, TokenParams::parse)
    }

    /// `Subscription-State` (RFC 6665 §8.2.3).
    ///
    /// # Errors
    /// Repeated or malformed.
    pub fn subscription_state(&self) -> Result<Option<TokenParams>, HeaderError> {
        self.optional(HeaderName::SubscriptionState, TokenParams::parse)
    }

    /// `Content-Type` (RFC 3261 §20.15).
    ///
    /// # Errors
    /// Repeated or malformed.
    pub fn content_type(&self) -> Result<Option<MediaType>, HeaderError> {
        self.optional(HeaderName::ContentType, MediaType::parse)
    }

    /// `Accept` (RFC 3261 §20.1): `None` when there is no such header, an empty list for an empty one.
    ///
    /// # Errors
    /// One of the ranges is malformed.
    pub fn accept(&self) -> Result<Option<Vec<MediaType>>, HeaderError> {
        if !self.has(HeaderName::Accept) {
            return Ok(None);
        }
        self.list(HeaderName::Accept, MediaType::parse).map(Some)
    }

    /// Credentials or challenges, one for each header line (RFC 3261 §7.3.1): of `Authorization`,
    /// `Proxy-Authorization`, `WWW-Authenticate` or `Proxy-Authenticate`.
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn auth_params(&self, name: HeaderName) -> Result<Vec<AuthParams>, HeaderError> {
        self.fields_of(name)
            .map(|field| AuthParams::parse(&field.text()).map_err(|_| HeaderError::Malformed(name)))
            .collect()
    }

    /// `Date` (RFC 3261 §20.17); none when it is malformed or not GMT.
    #[must_use]
    pub fn date(&self) -> Option<Timestamp> {
        parse_date(&self.text(HeaderName::Date)?)
    }

    /// The tokens of a list of tokens: `Require`, `Supported`, `Allow`, `Allow-Events` and kin.
    /// What is no token is left out.
    pub fn tokens(&self, name: HeaderName) -> impl Iterator<Item = CompactString> {
        self.values(name).filter(|value| is_token(value.as_bytes())).map(CompactString::from)
    }

    /// Whether a token is in a list, without case (option tags).
    #[must_use]
    pub fn has_token(&self, name: HeaderName, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    /// The first value of a header as one line of text.
    #[must_use]
    pub fn text(&self, name: HeaderName) -> Option<Cow<'_, str>> {
        self.field(name).map(|field| field.text())
    }

    /// The comma-separated values of all fields of a name. Only for headers whose grammar is a list.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = Cow<'_, str>> {
        self.fields_of(name).flat_map(|field| field.values())
    }

    fn only(&self, name: HeaderName) -> Result<Option<Field<'_>>, HeaderError> {
        let mut fields = self.fields_of(name);
        let first = fields.next();
        if fields.next().is_some() { Err(HeaderError::Repeated(name)) } else { Ok(first) }
    }

    fn optional<T>(
        &self,
        name: HeaderName,
        parse: impl Fn(&str) -> Result<T, Malformed>,
    ) -> Result<Option<T>, HeaderError> {
        let Some(field) = self.only(name)? else { return Ok(None) };
        parse(&field.text()).map(Some).map_err(|_| HeaderError::Malformed(name))
    }

    pub(super) fn required<T>(
        &self,
        name: HeaderName,
        parse: impl Fn(&str) -> Result<T, Malformed>,
    ) -> Result<T, HeaderError> {
        self.optional(name, parse)?.ok_or(HeaderError::Missing(name))
    }

    /// All values of a list header. An empty field stands for an empty list (RFC 3261 §7.3.1, §20.1).
    fn list<T>(
        &self,
        name: HeaderName,
        parse: impl Fn(&str) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, HeaderError> {
        let fields = self.fields_of(name).filter(|field| !field.raw().is_empty());
        let values = fields.flat_map(|field| field.values());
        values.map(|value| parse(&value).map_err(|_| HeaderError::Malformed(name))).collect()
    }
}
