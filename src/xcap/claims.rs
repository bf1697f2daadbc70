//! Addresses of services that documents are about to have (RFC 4826 §4.4.5: they are unique over all documents).
//!
//! Whether an address is taken is looked up before the document that has it is put. From before that look until the
//! document is durable the address is held here, so that of two documents that are to have it at the same moment one
//! is refused. Bounded by the requests that are under way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use compact_str::CompactString;

use crate::signal::Address;

/// What is being claimed. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<String, Holder>>>);

#[derive(Debug)]
struct Holder {
    account: Address,
    /// The name of its document.
    document: CompactString,
    /// How many requests for the document claim it.
    requests: usize,
}

/// The claim of one request; over when it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    held: Vec<String>,
}

impl Claims {
    /// Claims addresses for a document: the claim, and those of them that another one is about to have.
    pub(super) fn claim(
        &self,
        (account, document): (&Address, &CompactString),
        addresses: &[String],
    ) -> (Claim, Vec<String>) {
        let mut known = self.lock();
        let (mut held, mut taken) = (Vec::new(), Vec::new());
        for address in addresses {
            // As they are compared.
            let key = address.to_ascii_lowercase();
            let holder = known.entry(key.clone()).or_insert_with(|| Holder {
                account: account.clone(),
                document: document.clone(),
                requests: 0,
            });
            if holder.account == *account && holder.document == *document {
                holder.requests += 1;
                held.push(key);
            } else {
                taken.push(address.clone());
            }
        }
        drop(known);
        (Claim { claims: self.clone(), held }, taken)
    }

    /// The map is whole after every statement.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Holder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut known = self.claims.lock();
        for key in &self.held {
            if let Some(holder) = known.get_mut(key) {
                holder.requests -= 1;
                if holder.requests == 0 {
                    known.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_one_documents_while_it_claims_it() {
        let claims = Claims::default();
        let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|it| Address::parse(it).unwrap());
        let wanted = ["sip:Friends@example.org".to_owned()];
        let [index, other] = ["index", "other"].map(CompactString::const_new);
        let (first, taken) = claims.claim((&alice, &index), &wanted);
        assert!(taken.is_empty());
        let (second, taken) = claims.claim((&alice, &index), &["sip:friends@example.org".to_owned()]);
        assert!(taken.is_empty());
        for another in [(&bob, &index), (&alice, &other)] {
            assert_eq!(claims.claim(another, &wanted).1, wanted);
        }
        drop(first);
        assert_eq!(claims.claim((&bob, &index), &wanted).1, wanted);
        drop(second);
        assert!(claims.claim((&bob, &index), &wanted).1.is_empty());
        assert!(claims.lock().is_empty());
    }
}
