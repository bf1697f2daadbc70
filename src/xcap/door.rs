//! The way of a request: what it is about, who asks, whether he may, and then reading or writing.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{self, State},
    http::{Method, StatusCode, header, request},
    response::Response,
    routing::any,
};

use super::{
    Config,
    answer::{Outcome, READ_ONLY, READ_WRITE, Refusal},
    body,
    claims::Claims,
    condition::Conditions,
    identity::Asker,
    path::{Owner, Resource},
    read, write,
};
use crate::{
    account::{Accounts, Reply, Request},
    auth::{Authenticator, Login},
    documents::{Documents, Origin, Readers, Selector, Terminal, TreeLimits},
    formats::percent::encode_path,
    net::Visitor,
    signal::{Address, Wanted},
};

/// What the room needs of the others.
pub struct Parts {
    pub accounts: Accounts,
    pub authenticator: Authenticator,
    pub documents: Documents,
}

/// What every request may use.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) accounts: Accounts,
    pub(super) authenticator: Authenticator,
    pub(super) documents: Documents,
    /// Of addresses that are not the claimant's.
    pub(super) claims: Claims,
    /// Of addresses that are.
    pub(super) own_claims: Claims,
}

/// The routes below the root; none where no XCAP is served. Every request must have a [`Visitor`] among its
/// extensions.
pub fn router(config: &Config, parts: Parts) -> Router {
    let root = config.root.clone();
    if root.is_empty() {
        return Router::new();
    }
    let Parts { accounts, authenticator, documents } = parts;
    let (claims, own_claims) = (Claims::default(), Claims::default());
    let shared = Shared { config: config.clone(), accounts, authenticator, documents, claims, own_claims };
    Router::new()
        .route(&root, any(serve))
        .route(&format!("{root}/"), any(serve))
        .route(&format!("{root}/{{*rest}}"), any(serve))
        .with_state(Arc::new(shared))
}

async fn serve(State(shared): State<Arc<Shared>>, request: extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = shared.answer(&parts, body).await;
    let mut response = answer.unwrap_or_else(Refusal::into_response);
    if parts.method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

impl Shared {
    /// Bounds of the documents that are read here.
    pub(super) fn limits(&self) -> TreeLimits {
        TreeLimits { bytes: self.documents.document_bytes(), ..TreeLimits::default() }
    }

    async fn answer(&self, parts: &request::Parts, body: Body) -> Outcome<Response> {
        let most = self.documents.document_bytes();
        match self.admit(parts).await {
            Ok(admitted) if is_reading(&parts.method) => {
                let conditions = conditions(parts)?;
                read::read(self, &admitted, &conditions, &base(parts)).await
            }
            Ok(admitted) => {
                let conditions = conditions(parts)?;
                let content = body::read(&parts.headers, body, most).await?;
                write::write(self, parts, &admitted, &conditions, content).await
            }
            Err(refusal) => {
                body::discard(&parts.headers, body, most.saturating_mul(4)).await;
                Err(refusal)
            }
        }
    }

    /// Everything that is decided before the content is looked at (RFC 4825 §8).
    async fn admit<'a>(&self, parts: &'a request::Parts) -> Outcome<Admitted<'a>> {
        let path = parts.uri.path();
        let resource = Resource::parse(&self.config.root, path).ok_or(Refusal::NOT_FOUND)?;
        let realm = match &resource.tree {
            Owner::User(address) if self.accounts.serves(address.domain()) => address.domain_in_ascii(),
            Owner::User(_) if !is_shown_abroad(&resource, &parts.method) => return Err(Refusal::NOT_FOUND),
            // The pictures of people of other domains are for our own.
            Owner::User(_) | Owner::Global => {
                self.accounts.domains().first().map_or_else(Default::default, Address::domain_in_ascii)
            }
        };
        let selector = match resource.node {
            None => None,
            Some(node) => {
                let namespace = Some(resource.application.default_namespace);
                Some(Selector::parse(node, parts.uri.query(), namespace)?)
            }
        };
        let allowed = allowed(&resource, selector.as_ref());
        if !allowed.split(", ").chain(["PUT", "DELETE"]).any(|method| method == parts.method.as_str()) {
            return Err(Refusal::Method(allowed));
        }
        let visitor = parts.extensions.get::<Visitor>().copied().ok_or(Refusal::INTERNAL)?;
        let asker = Asker { shared: self, visitor, realm: &realm };
        let who = asker.identify(parts).await?;
        let readers = if is_reading(&parts.method) { resource.application.readers } else { Readers::Owner };
        if !self.is_for_everybody(readers, &resource, parts.uri.query()).await? {
            let Some(who) = &who else { return Err(asker.challenge(false)) };
            self.authorize(readers, &resource, who, &parts.method).await?;
        }
        if !allowed.split(", ").any(|method| method == parts.method.as_str()) {
            return Err(Refusal::Method(allowed));
        }
        Ok(Admitted { resource, selector, who: who.map(|login| login.address) })
    }

    /// Whether anybody may do this, without credentials, or whoever knows this query.
    async fn is_for_everybody(
        &self,
        readers: Readers,
        resource: &Resource<'_>,
        query: Option<&str>,
    ) -> Outcome<bool> {
        let owner = match (readers, &resource.tree) {
            (Readers::Everybody, _) => return Ok(true),
            (Readers::Picture, Owner::User(owner)) => owner,
            (Readers::Picture | Readers::Owner, _) => return Ok(false),
        };
        if !self.accounts.serves(owner.domain()) {
            return Ok(false);
        }
        let request = Request::Enquire { of: owner.clone(), wanted: Wanted::AvatarAccess };
        match self.accounts.ask(owner, request).await? {
            Reply::AvatarAccess { is_open, hash } => {
                let known = self.documents.icon_keys().zip(hash).zip(query);
                Ok(is_open || known.is_some_and(|((keys, hash), query)| keys.open(owner, hash, query)))
            }
            _ => Err(Refusal::INTERNAL),
        }
    }

    /// Decides what an account may do where not everybody may (RFC 4825 §5.7).
    async fn authorize(
        &self,
        readers: Readers,
        resource: &Resource<'_>,
        who: &Login,
        method: &Method,
    ) -> Outcome<()> {
        match &resource.tree {
            Owner::User(owner) if *owner == who.address => Ok(()),
            // Their own server decides.
            Owner::User(owner) if !self.accounts.serves(owner.domain()) => Ok(()),
            Owner::User(owner) if readers == Readers::Picture => {
                let request = Request::Enquire { of: owner.clone(), wanted: Wanted::Avatar };
                self.accounts.ask(&who.address, request).await.map(drop).map_err(|_| Refusal::FORBIDDEN)
            }
            Owner::User(_) => Err(Refusal::FORBIDDEN),
            // What the accounts keep is for the trusted alone (RFC 4826 §4.4.9).
            Owner::Global if is_reading(method) && !who.is_admin => Err(Refusal::FORBIDDEN),
            // Who writes there is told that nobody can.
            Owner::Global => Ok(()),
        }
    }
}

/// A request that may be done.
pub(super) struct Admitted<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) selector: Option<Selector>,
    /// Who asks, where he said it.
    pub(super) who: Option<Address>,
}

/// Whether of people of other domains there is such a thing.
fn is_shown_abroad(resource: &Resource<'_>, method: &Method) -> bool {
    resource.application.readers == Readers::Picture && is_reading(method)
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The methods that a resource has for who may use them.
fn allowed(resource: &Resource<'_>, selector: Option<&Selector>) -> &'static str {
    let is_bindings = selector.is_some_and(|selector| *selector.terminal() == Terminal::Namespaces);
    let is_stored = resource.application.origin == Origin::Stored && resource.tree != Owner::Global;
    if is_stored && !is_bindings { READ_WRITE } else { READ_ONLY }
}

fn conditions(parts: &request::Parts) -> Outcome<Conditions> {
    Conditions::read(&parts.headers)
        .ok_or(Refusal::Status(StatusCode::BAD_REQUEST, "If-Match or If-None-Match cannot be read"))
}

/// Scheme and host as the client knows them, for URIs that lead back here; empty where it did not say.
pub(super) fn base(parts: &request::Parts) -> String {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_secure = parts.extensions.get::<Visitor>().is_some_and(|visitor| visitor.is_secure);
    let scheme = if is_secure { "https" } else { "http" };
    host.map_or_else(String::new, |host| format!("{scheme}://{}", encode_path(host)))
}
