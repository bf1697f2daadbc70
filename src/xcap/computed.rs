//! Documents that nobody writes: made when they are asked for.

use std::collections::HashSet;

use bytes::Bytes;

use super::{
    answer::{Outcome, Refusal},
    door::Shared,
    path::{Owner, Resource},
};
use crate::{
    account::{Reply, Request},
    documents::{
        Conflict, DirectoryEntry, Tree, find_application, print_capabilities, print_directory, print_icon,
        print_services, print_watchers,
    },
    formats::percent::encode_path,
    signal::{Address, DocumentId, Reason, Reject, Wanted},
};

/// The document, or none. `base` is the scheme and host by which the client knows the server.
pub(super) async fn document(shared: &Shared, resource: &Resource<'_>, base: &str) -> Outcome<Option<Bytes>> {
    let text = match (resource.application.auid, &resource.tree) {
        ("xcap-caps", Owner::Global) if resource.name == "index" => Some(print_capabilities()),
        ("rls-services", Owner::Global) if resource.name == "index" => Some(services(shared).await?),
        ("org.openmobilealliance.xcap-directory", Owner::User(owner)) => {
            Some(directory(shared, owner, base).await?)
        }
        ("org.openxcap.watchers", Owner::User(owner)) => {
            match shared.accounts.ask(owner, Request::Watchers).await? {
                Reply::Watchers(list) => print_watchers(&list),
                _ => return Err(Refusal::INTERNAL),
            }
        }
        _ => None,
    };
    Ok(text.map(Bytes::from))
}

/// The picture of somebody of another domain, as `who` may see it.
pub(super) async fn picture(shared: &Shared, who: &Address, owner: &Address) -> Outcome<Option<Bytes>> {
    let wanted = Wanted::Picture { hash: None };
    match shared.accounts.ask(who, Request::Enquire { of: owner.clone(), wanted }).await {
        Ok(Reply::Picture { avatar, bytes }) => Ok(Some(print_icon(&avatar.media_type, &bytes).into())),
        Ok(_) => Err(Refusal::INTERNAL),
        // Whether there is one or it cannot be reached now is all the same to who looks for it.
        Err(_) => Ok(None),
    }
}

/// The services of all accounts: those in the documents called `index` (RFC 4826 §4.4.7).
async fn services(shared: &Shared) -> Outcome<String> {
    let id = DocumentId::new(SERVICES, "index");
    let limits = shared.limits();
    let (mut after, mut trees) = (None, Vec::new());
    loop {
        let page = shared.accounts.documents_of_all(&id, after, PAGE).await?;
        let Some((last, ..)) = page.last() else { return Ok(print_services(trees.iter())) };
        after = Some(*last);
        // What cannot be read is left out.
        trees.extend(page.iter().filter_map(|(.., stored)| Tree::parse(&stored.bytes, &limits).ok()));
    }
}

/// The list of an account's documents.
async fn directory(shared: &Shared, owner: &Address, base: &str) -> Outcome<String> {
    let mut entries = Vec::new();
    for (id, etag) in shared.documents.index(owner).await? {
        let Some(document) = shared.documents.read(owner, &id).await? else { continue };
        if find_application(&id.application).is_none() {
            continue;
        }
        let root = &shared.config.root;
        let uri = format!(
            "{base}{root}/{}/users/sip:{}/{}",
            id.application,
            encode_path(owner.as_str()),
            encode_path(&id.name)
        );
        entries.push(DirectoryEntry {
            auid: id.application.to_string(),
            uri,
            etag: etag.to_string(),
            changed: document.entry.changed,
            size: document.entry.size,
        });
    }
    Ok(print_directory(&entries))
}

/// Which of some addresses another document of services has, or another account: asked for before such a document is
/// changed.
#[derive(Debug, Default)]
pub(super) struct Taken(HashSet<String>);

impl Taken {
    /// Looks for such services in the owner's other documents than the one that is changed, `id`. Where an address
    /// is not the owner's, looks for accounts with it, or with the one that it begins with, and for such services in
    /// the documents of other accounts, whatever those are called (RFC 4826 §4.4.5).
    pub(super) async fn gather(
        shared: &Shared,
        (owner, id): (&Address, &DocumentId),
        wanted: &Wishes,
    ) -> Outcome<Self> {
        let foreign = &wanted.foreign;
        if foreign.len() > WANTED {
            return Err(
                Conflict::Constraint(format!("more than {WANTED} services of foreign addresses")).into()
            );
        }
        let mut taken = Self::default();
        for uri in foreign {
            if let Some(account) = account_of(uri)
                && shared.accounts.serves(account.domain())
                && is_there(shared.documents.index(&account).await)?
            {
                taken.add(uri);
            }
        }
        for (other, _) in shared.documents.index(owner).await? {
            if other.application == SERVICES
                && other != *id
                && let Some(document) = shared.documents.read(owner, &other).await?
                && let Some(tree) = document.tree()
            {
                taken.add_all(tree);
            }
        }
        if !foreign.is_empty() {
            taken.add_others(shared, owner, foreign).await?;
        }
        Ok(taken)
    }

    /// Those of some addresses that are services of anybody but the owner; what cannot be read is left out.
    async fn add_others(&mut self, shared: &Shared, owner: &Address, wanted: &[String]) -> Outcome<()> {
        let limits = shared.limits();
        let wanted: HashSet<_> = wanted.iter().map(|uri| uri.to_ascii_lowercase()).collect();
        let mut after = None;
        loop {
            let page = shared.accounts.documents_of_application(SERVICES, after, PAGE).await?;
            let Some((account, _, last)) = page.last() else { return Ok(()) };
            after = Some((last.entry.id.name.clone(), *account));
            for (_, _, stored) in page.iter().filter(|(_, other, _)| other != owner) {
                if let Ok(tree) = Tree::parse(&stored.bytes, &limits) {
                    let services = crate::documents::services(&tree).into_iter();
                    let found = services.map(|service| service.uri.to_ascii_lowercase());
                    self.0.extend(found.filter(|uri| wanted.contains(uri)));
                }
            }
        }
    }

    fn add_all(&mut self, tree: &Tree) {
        for service in crate::documents::services(tree) {
            self.add(&service.uri);
        }
    }

    fn add(&mut self, uri: &str) {
        self.0.insert(uri.to_ascii_lowercase());
    }

    /// These as well.
    pub(super) fn and(mut self, others: Vec<String>) -> Self {
        others.iter().for_each(|uri| self.add(uri));
        self
    }

    /// Whether an address is in another document.
    pub(super) fn has(&self, uri: &str) -> bool {
        self.0.contains(&uri.to_ascii_lowercase())
    }
}

/// Whether there is an account whose documents were asked for.
fn is_there<T>(found: Result<T, Reject>) -> Outcome<bool> {
    match found {
        Ok(_) => Ok(true),
        Err(reject) if reject.reason == Reason::NotFound => Ok(false),
        // Whoever cannot be asked now may be there.
        Err(reject) => Err(reject.into()),
    }
}

/// The addresses that a document of services is about to have.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// The owner's, which nobody else can have.
    pub(super) own: Vec<String>,
    pub(super) foreign: Vec<String>,
}

impl Wishes {
    pub(super) fn add(&mut self, owner: &Address, uri: &str) {
        let wishes = if is_own(owner, uri) { &mut self.own } else { &mut self.foreign };
        wishes.push(uri.to_owned());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.foreign.is_empty()
    }
}

/// Whether an address is of the owner without asking anybody: his own, or his own with a suffix.
fn is_own(owner: &Address, uri: &str) -> bool {
    account_of(uri).as_ref() == Some(owner)
}

/// The account that an address belongs to: `alice@example.org` for `sip:alice+friends@example.org`.
fn account_of(uri: &str) -> Option<Address> {
    let (_, bare) = uri.split_once(':')?;
    let (local, domain) = bare.split_once('@')?;
    let local = local.split('+').next().unwrap_or_default();
    Address::new(local, domain).ok()
}

/// The application of services.
const SERVICES: &str = "rls-services";
/// Documents that are read at a time.
const PAGE: usize = 256;
/// Services of one document whose addresses are not the owner's.
const WANTED: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4826 §4.4.5: an address is free where there is no such account, not where nobody can say.
    #[test]
    fn address_of_an_account_that_cannot_be_asked_is_not_free() {
        assert_eq!(is_there(Ok(())).ok(), Some(true));
        assert_eq!(is_there::<()>(Err(Reason::NotFound.into())).ok(), Some(false));
        for reason in [Reason::Overloaded, Reason::Timeout, Reason::Internal] {
            assert!(is_there::<()>(Err(reason.into())).is_err(), "{reason:?}");
        }
    }

    #[test]
    fn own_addresses_are_told_from_foreign_ones() {
        let alice = Address::parse("alice@example.org").unwrap();
        for (uri, expected) in [
            ("sip:alice@example.org", true),
            ("sip:Alice+presence@example.org", true),
            ("sip:alice+a+b@EXAMPLE.org", true),
            ("sip:alice@example.net", false),
            ("sip:alicex@example.org", false),
            ("sip:+alice@example.org", false),
            ("sip:myfriends@example.org", false),
            ("tel:1", false),
            ("alice", false),
        ] {
            assert_eq!(is_own(&alice, uri), expected, "{uri}");
        }
    }
}
