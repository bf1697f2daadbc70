//! What every message must have before anyone acts on it (RFC 3261 §8.1.1, §8.2, §16.3 step 1).

use super::{
    error::HeaderError,
    name::HeaderName,
    span::{Message, StartLine},
    uri::Uri,
};

impl Message {
    /// Checks the mandatory headers of a request, each once and well-formed, the method of `CSeq` and the
    /// request URI. `Max-Forwards` may be missing (RFC 2543) but not malformed.
    ///
    /// # Errors
    /// The first thing wrong; the answer is 400 with its text as reason.
    pub fn check_request(&self) -> Result<(), HeaderError> {
        self.check_common()?;
        let StartLine::Request { method, uri } = self.start() else { return Err(HeaderError::RequestUri) };
        if self.cseq()?.method != *method {
            return Err(HeaderError::MethodMismatch);
        }
        // Headers in a request URI have no meaning and must not be forwarded (RFC 3261 §19.1.1).
        if !Uri::parse(uri).is_ok_and(|uri| !uri.has_headers()) {
            return Err(HeaderError::RequestUri);
        }
        self.max_forwards().map(|_| ())
    }

    /// Checks the mandatory headers of a response.
    ///
    /// # Errors
    /// The first thing wrong; such a response is dropped.
    pub fn check_response(&self) -> Result<(), HeaderError> {
        self.check_common()?;
        self.cseq().map(|_| ())
    }

    fn check_common(&self) -> Result<(), HeaderError> {
        self.top_via()?;
        self.from()?;
        self.to()?;
        if self.call_id()?.is_empty() {
            return Err(HeaderError::Malformed(HeaderName::CallId));
        }
        Ok(())
    }
}
