//! What every message must have before anyone acts on it (RFC 3261 §8.1.1, §8.2, §16.3 step 1).

use std::borrow::Cow;

use super::{
    address::NameAddr,
    error::HeaderError,
    name::HeaderName,
    plain::{branch_of, is_plain_address},
    span::{Field, Message, StartLine},
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
        let via = self.top_via()?;
        self.check_common()?;
        let StartLine::Request { method, uri } = self.start() else { return Err(HeaderError::RequestUri) };
        if self.cseq()?.method != *method {
            return Err(HeaderError::MethodMismatch);
        }
        if !Uri::is_request_uri(uri) {
            return Err(HeaderError::RequestUri);
        }
        self.max_forwards().map(|_| via)
    }

    /// Checks the mandatory headers of a response, and gives what finds its transaction (RFC 3261 §17.1.3):
    /// the branch of the top `Via`, and `CSeq`. That `Via` is one that this server wrote, if any, so nothing
    /// else of it is read.
    ///
    /// # Errors
    /// The first thing wrong; such a response is dropped.
    pub fn check_response(&self) -> Result<(Option<Cow<'_, str>>, CSeq), HeaderError> {
        let via = self.field(HeaderName::Via).ok_or(HeaderError::Missing(HeaderName::Via))?;
        let branch = match branch_of(via.raw()) {
            Some(branch) => Some(Cow::Borrowed(branch)),
            None => self.top_via()?.branch().map(|branch| Cow::Owned(branch.to_owned())),
        };
        self.check_common()?;
        self.cseq().map(|cseq| (branch, cseq))
    }

    fn check_common(&self) -> Result<(), HeaderError> {
        let (mut from, mut to, mut call_id) = (Once::default(), Once::default(), Once::default());
        for field in self.fields() {
            let once = match field.name() {
                HeaderName::From => &mut from,
                HeaderName::To => &mut to,
                HeaderName::CallId => &mut call_id,
                _ => continue,
            };
            once.is_repeated = once.field.replace(field).is_some();
        }
        check_address(HeaderName::From, from)?;
        check_address(HeaderName::To, to)?;
        let call_id = call_id.only(HeaderName::CallId)?;
        if call_id.raw().is_empty() || str::from_utf8(call_id.raw()).is_err() {
            return Err(HeaderError::Malformed(HeaderName::CallId));
        }
        Ok(())
    }
}

/// A header that must be there once.
#[derive(Default)]
struct Once<'a> {
    field: Option<Field<'a>>,
    is_repeated: bool,
}

impl<'a> Once<'a> {
    fn only(self, name: HeaderName) -> Result<Field<'a>, HeaderError> {
        match self.field {
            Some(_) if self.is_repeated => Err(HeaderError::Repeated(name)),
            Some(field) => Ok(field),
            None => Err(HeaderError::Missing(name)),
        }
    }
}

fn check_address(name: HeaderName, once: Once<'_>) -> Result<(), HeaderError> {
    let field = once.only(name)?;
    if is_plain_address(field.raw()) {
        return Ok(());
    }
    NameAddr::check(&field.text()).map_err(|_| HeaderError::Malformed(name))
}
