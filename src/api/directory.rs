//! The directory of the owner's domain: who wants to be found there.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};

use super::{
    error::{Failure, Outcome},
    extract::Params,
    identity::Identity,
    server::Shared,
};
use crate::{
    account::{Found, Search, Trait},
    signal::Address,
};

/// What is looked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    search: String,
}

#[derive(Serialize)]
pub(super) struct People {
    people: Vec<Person>,
    /// There are further ones.
    more: bool,
}

#[derive(Serialize)]
struct Person {
    address: Option<Address>,
    name: String,
    nickname: String,
}

/// `GET /api/directory?search=`: all words of it must fit.
pub(super) async fn search(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Params(wanted): Params<Wanted>,
) -> Outcome<Json<People>> {
    let mut search = Search::default();
    if wanted.search.split_whitespace().any(|word| !search.add(Trait::Any, word)) {
        return Err(Failure::malformed("search must have 1 to 16 words of at most 256 bytes"));
    }
    let page = shared.accounts.search(&identity.address, search, None, MOST).await?;
    Ok(Json(People { people: page.people.into_iter().map(Person::from).collect(), more: page.more }))
}

impl From<Found> for Person {
    fn from(found: Found) -> Self {
        let parts = [found.given.as_str(), found.family.as_str()].join(" ");
        let name = if found.name.is_empty() { parts.trim().to_owned() } else { found.name };
        Self { address: found.address, name, nickname: found.nickname }
    }
}

const MOST: usize = 50;
