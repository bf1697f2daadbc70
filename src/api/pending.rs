//! The requests of a WebSocket that wait for replies, by the tag that the account repeats.

use std::collections::HashMap;

use crate::{account::Request, signal::RequestId};

/// Bounded: what does not fit is refused.
pub(super) struct Pending {
    bound: usize,
    next: u64,
    waiting: HashMap<RequestId, Waiting>,
}

/// One request.
#[derive(Debug, PartialEq)]
pub(super) struct Waiting {
    /// The client's name for it.
    pub(super) id: Option<String>,
    /// What to ask next when it succeeds; the client hears of that one's outcome.
    pub(super) then: Option<Request>,
}

impl Pending {
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, next: 0, waiting: HashMap::new() }
    }

    /// The tag for a new request.
    ///
    /// # Errors
    /// The id again, where too many wait.
    pub(super) fn add(
        &mut self,
        id: Option<String>,
        then: Option<Request>,
    ) -> Result<RequestId, Option<String>> {
        if self.waiting.len() >= self.bound {
            return Err(id);
        }
        self.next += 1;
        let tag = RequestId(self.next);
        self.waiting.insert(tag, Waiting { id, then });
        Ok(tag)
    }

    /// The request that a reply is for.
    pub(super) fn remove(&mut self, tag: RequestId) -> Option<Waiting> {
        self.waiting.remove(&tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_finds_its_request_once() {
        let mut pending = Pending::new(2);
        let tag = pending.add(Some("a".to_owned()), None).unwrap();
        assert_eq!(pending.remove(tag).unwrap().id.as_deref(), Some("a"));
        assert_eq!(pending.remove(tag), None);
    }

    #[test]
    fn too_many_requests_are_refused() {
        let mut pending = Pending::new(1);
        let tag = pending.add(None, None).unwrap();
        assert_eq!(pending.add(Some("b".to_owned()), None), Err(Some("b".to_owned())));
        pending.remove(tag);
        assert!(pending.add(None, None).is_ok());
    }
}
