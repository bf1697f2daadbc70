//! Documents that nobody writes: made when they are asked for.

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
    signal::{Address, DocumentId, Wanted},
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

/// The services of all accounts (RFC 4826 §4.4.7).
async fn services(shared: &Shared) -> Outcome<String> {
    let trees: Vec<Tree> = service_documents(shared).await?.into_iter().map(|(_, tree)| tree).collect();
    Ok(print_services(trees.iter()))
}

/// The documents of services of all accounts, each with its owner; what cannot be read is left out.
pub(super) async fn service_documents(shared: &Shared) -> Outcome<Vec<(Address, Tree)>> {
    let id = DocumentId::new("rls-services", "index");
    let limits = shared.limits();
    let mut after = None;
    let mut found = Vec::new();
    loop {
        let page = shared.accounts.documents_of_all(&id, after, PAGE).await?;
        let Some((last, ..)) = page.last() else { return Ok(found) };
        after = Some(*last);
        for (_, owner, stored) in page {
            if let Ok(tree) = Tree::parse(&stored.bytes, &limits) {
                found.push((owner, tree));
            }
        }
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

/// Which of some addresses are somebody else's: asked for before a document of services is changed.
#[derive(Debug, Default)]
pub(super) struct Taken(Vec<String>);

impl Taken {
    /// Looks for accounts with such addresses, or with those that theirs begin with, and for such services of
    /// other accounts.
    pub(super) async fn gather(shared: &Shared, owner: &Address, wanted: &[String]) -> Outcome<Self> {
        if wanted.len() > WANTED {
            return Err(
                Conflict::Constraint(format!("more than {WANTED} services of foreign addresses")).into()
            );
        }
        let mut taken = Vec::new();
        for uri in wanted {
            let Some(account) = account_of(uri) else { continue };
            let is_home = shared.accounts.serves(account.domain()) && account != *owner;
            if is_home && shared.documents.index(&account).await.is_ok() {
                taken.push(uri.clone());
            }
        }
        for (_, tree) in service_documents(shared).await?.into_iter().filter(|(other, _)| other != owner) {
            let services = crate::documents::services(&tree).into_iter().map(|service| service.uri);
            taken.extend(services.filter(|uri| wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(uri))));
        }
        Ok(Self(taken))
    }

    /// These as well.
    pub(super) fn and(mut self, others: Vec<String>) -> Self {
        self.0.extend(others);
        self
    }

    /// Whether an address is somebody else's.
    pub(super) fn has(&self, uri: &str) -> bool {
        self.0.iter().any(|taken| taken.eq_ignore_ascii_case(uri))
    }
}

/// Whether an address is of the owner without asking anybody: his own, or his own with a suffix.
pub(super) fn is_own(owner: &Address, uri: &str) -> bool {
    account_of(uri).as_ref() == Some(owner)
}

/// The account that an address belongs to: `alice@example.org` for `sip:alice+friends@example.org`.
fn account_of(uri: &str) -> Option<Address> {
    let (_, bare) = uri.split_once(':')?;
    let (local, domain) = bare.split_once('@')?;
    let local = local.split('+').next().unwrap_or_default();
    Address::new(local, domain).ok()
}

/// Documents that are read at a time.
const PAGE: usize = 256;
/// Services of one document whose addresses are not the owner's.
const WANTED: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

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
