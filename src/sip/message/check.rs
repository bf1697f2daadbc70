//! What every message must have before anyone acts on it (RFC 3261 §8.1.1, §8.2, §16.3 step 1).

use super::{
    address::NameAddr,
    error::HeaderError,
    name::HeaderName,
    span::{Message, StartLine},
    uri::Uri,
    values::CSeq,
    via::Via,
};

impl Message {
    /// Checks the mandatory headers of a request, each once and well-formed, the method of `CSeq` and the
    /// request URI. `Max-Forwards` may be missing (RFC 2543) but not malformed. Gives the top `Via`, which
    /// whoever acts on the request needs first.
    ///
    /// # Errors
    /// The first thing wrong; the answer is 400 with its text as reason.
    pub fn check_request(&self) -> Result<Via, HeaderError> {
        let via = self.check_common()?;
        let StartLine::Request { method, uri } = self.start() else { return Err(HeaderError::RequestUri) };
        if self.cseq()?.method != *method {
            return Err(HeaderError::MethodMismatch);
        }
        if !Uri::is_request_uri(uri) {
            return Err(HeaderError::RequestUri);
        }
        self.max_forwards().map(|_| via)
    }

    /// Checks the mandatory headers of a response, and gives those that find its transaction
    /// (RFC 3261 §17.1.3): the top `Via` and `CSeq`.
    ///
    /// # Errors
    /// The first thing wrong; such a response is dropped.
    pub fn check_response(&self) -> Result<(Via, CSeq), HeaderError> {
        let via = self.check_common()?;
        self.cseq().map(|cseq| (via, cseq))
    }

    fn check_common(&self) -> Result<Via, HeaderError> {
        let via = self.top_via()?;
        self.required(HeaderName::From, NameAddr::check)?;
        self.required(HeaderName::To, NameAddr::check)?;
        if self.call_id()?.is_empty() {
            return Err(HeaderError::Malformed(HeaderName::CallId));
        }
        Ok(via)
    }
}
