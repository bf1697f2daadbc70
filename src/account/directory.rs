//! The directory of a domain: who wants to be found there, and by what.
//!
//! It is there where the operator wants one; in it is who chose that. The profiles are read as they are when somebody
//! searches, one search at a time.

use std::sync::Arc;

use super::{
    Accounts,
    accounts::reading,
    avatar::OWN,
    profile::{PROFILE, parse_profile},
};
use crate::{
    signal::{Address, Profile, PropertyName, Reason, Reject},
    storage::{ListedAccount, Store, StoreError},
};

/// What somebody looks for: all that is given must fit. Parts of words fit, in any case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    wanted: Vec<(Trait, String)>,
}

/// By what somebody can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trait {
    Given,
    Family,
    /// The whole name.
    Name,
    Nickname,
    /// An address of mail, or that of the account.
    Mail,
    /// That of the account.
    Address,
    /// Any of these.
    Any,
}

/// Somebody who was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    pub address: Option<Address>,
    pub given: String,
    pub family: String,
    pub name: String,
    pub nickname: String,
    pub mail: String,
}

/// A page of people, in the order of their addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundPage {
    pub people: Vec<Found>,
    /// There may be further ones behind the last.
    pub more: bool,
}

impl Search {
    /// Looks for this as well; stars and white space at the ends mean nothing. `false` where it is too long.
    #[must_use]
    pub fn add(&mut self, by: Trait, text: &str) -> bool {
        let text = text.trim_matches(|c: char| c == '*' || c.is_whitespace()).to_lowercase();
        if text.len() > MOST_BYTES || self.wanted.len() >= MOST_WANTED {
            return false;
        }
        if !text.is_empty() {
            self.wanted.push((by, text));
        }
        true
    }

    /// Whether nothing is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    fn fits(&self, found: &Found) -> bool {
        self.wanted.iter().all(|(by, text)| found.has(*by, text))
    }
}

impl Found {
    fn new(account: ListedAccount) -> Self {
        let profile = account.content.as_deref().and_then(parse_profile).unwrap_or_default();
        let first = |name: &PropertyName| profile.first(name).unwrap_or_default().to_owned();
        let part = |part: usize| name_part(&profile, part).unwrap_or_default().to_owned();
        Self {
            given: part(1),
            family: part(0),
            name: first(&PropertyName::FullName),
            nickname: first(&PropertyName::Nickname),
            mail: first(&PropertyName::Email),
            address: Some(account.address),
        }
    }

    fn has(&self, by: Trait, text: &str) -> bool {
        let is_in = |whole: &str| whole.to_lowercase().contains(text);
        let address = || self.address.as_ref().is_some_and(|address| is_in(address.as_str()));
        match by {
            Trait::Given => is_in(&self.given),
            Trait::Family => is_in(&self.family),
            Trait::Name => is_in(&self.name) || is_in(&format!("{} {}", self.given, self.family)),
            Trait::Nickname => is_in(&self.nickname),
            Trait::Mail => is_in(&self.mail) || address(),
            Trait::Address => address(),
            Trait::Any => {
                let all = [Trait::Name, Trait::Nickname, Trait::Mail];
                all.into_iter().any(|by| self.has(by, text))
            }
        }
    }
}

fn name_part(profile: &Profile, part: usize) -> Option<&str> {
    let name = profile.properties.iter().find(|property| property.name == PropertyName::Name)?;
    name.values.get(part).map(String::as_str)
}

impl Accounts {
    /// Whether the domains have directories.
    #[must_use]
    pub fn has_directory(&self) -> bool {
        self.inner().shared.limits.directory
    }

    /// People of the searcher's own domain who want to be found, those behind `after`, at most `most`.
    ///
    /// # Errors
    /// [`Reason::Unsupported`] where there is no directory, [`Reason::Malformed`] for a search for nothing,
    /// [`Reason::Overloaded`] where too many search, [`Reason::Internal`] where nothing can be read.
    pub async fn search(
        &self,
        searcher: &Address,
        search: Search,
        after: Option<Address>,
        most: usize,
    ) -> Result<FoundPage, Reject> {
        if !self.has_directory() || !self.serves(searcher.domain()) {
            return Err(Reason::Unsupported.into());
        }
        if search.is_empty() {
            return Err(Reject::with_text(Reason::Malformed, "say what to look for"));
        }
        let inner = self.inner();
        let turn = Arc::clone(&inner.searches).try_acquire_owned();
        let turn = match turn {
            Ok(turn) => turn,
            Err(_) => {
                let waiting = Arc::clone(&inner.searches).acquire_owned();
                let waited = tokio::time::timeout(PATIENCE, waiting).await;
                waited.ok().and_then(Result::ok).ok_or(Reason::Overloaded)?
            }
        };
        let (store, domain, most) = (inner.store.clone(), searcher.domain().to_owned(), most.min(MOST_FOUND));
        let read = move || {
            let _turn = turn;
            find(&store, &domain, &search, after, most).map(Some)
        };
        reading(read, "directory").await
    }
}

/// Goes through all that are listed until the page is full.
fn find(
    store: &Store,
    domain: &str,
    search: &Search,
    mut after: Option<Address>,
    most: usize,
) -> Result<FoundPage, StoreError> {
    let mut page = FoundPage::default();
    loop {
        let listed = store.listed(after.as_ref(), AT_ONCE, (OWN, PROFILE))?;
        let is_last = listed.len() < AT_ONCE;
        after = listed.last().map(|account| account.address.clone());
        for account in listed.into_iter().filter(|account| account.address.domain() == domain) {
            let found = Found::new(account);
            if !search.fits(&found) {
                continue;
            }
            if page.people.len() >= most {
                page.more = true;
                return Ok(page);
            }
            page.people.push(found);
        }
        if is_last {
            return Ok(page);
        }
    }
}

/// Most people of one page.
pub const MOST_FOUND: usize = 100;
const MOST_BYTES: usize = 256;
const MOST_WANTED: usize = 16;
/// Accounts that are read in one step.
const AT_ONCE: usize = 200;
/// How long a search waits for the one before.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        Found {
            address: Some(Address::parse("alice@example.org").unwrap()),
            given: "Ælice".to_owned(),
            family: "O'Hara".to_owned(),
            name: "Dr. Ælice M. O'Hara".to_owned(),
            nickname: "Ally".to_owned(),
            mail: "a.ohara@work.example".to_owned(),
        }
    }

    #[test]
    fn all_that_is_given_must_fit() {
        for (wanted, expect) in [
            (&[(Trait::Given, "æl")][..], true),
            (&[(Trait::Given, "*ÆLICE*"), (Trait::Family, "hara")], true),
            (&[(Trait::Given, "alice")], false),
            (&[(Trait::Name, "ælice o'hara")], true),
            (&[(Trait::Nickname, "all"), (Trait::Family, "smith")], false),
            (&[(Trait::Mail, "work.example")], true),
            (&[(Trait::Mail, "alice@example")], true),
            (&[(Trait::Address, "work")], false),
            (&[(Trait::Any, "ally")], true),
            (&[(Trait::Any, "nobody")], false),
        ] {
            let mut search = Search::default();
            wanted.iter().for_each(|(by, text)| assert!(search.add(*by, text)));
            assert_eq!(search.fits(&found()), expect, "{wanted:?}");
        }
    }

    #[test]
    fn nothing_and_too_much_are_no_search() {
        let mut search = Search::default();
        assert!(search.add(Trait::Any, " ** ") && search.is_empty());
        assert!(!search.add(Trait::Any, &"a".repeat(257)));
        (0..16).for_each(|_| assert!(search.add(Trait::Any, "a")));
        assert!(!search.add(Trait::Any, "a"));
    }
}
