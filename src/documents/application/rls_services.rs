//! `rls-services`: which addresses stand for whole lists (RFC 4826 §4).
//!
//! Beyond the schema: a service's address is nobody else's, its list is one of the owner's own lists
//! (§4.4.5). References are told by their path: clients know the server by several names.

use super::{
    Application, Conflict, Context, Names, Origin, Readers, reference, resource_lists, unique::Unique,
};
use crate::{
    documents::{
        schema::{
            AttributeUse, Content, Declaration, Kind, Namespace, Others, Particle, Schema, Simple, Term, XML,
        },
        tree::{Element, Tree},
    },
    formats::xml,
};

/// The application.
pub(super) static APPLICATION: Application = Application {
    auid: "rls-services",
    media_type: "application/rls-services+xml",
    default_namespace: RLS_SERVICES,
    namespaces: &[RLS_SERVICES, resource_lists::NAMESPACE.name],
    names: Names::Any,
    stored_as: "rls-services",
    readers: Readers::Owner,
    origin: Origin::Stored,
    schema: &SCHEMA,
    root: &ROOT,
    constraints: check,
};

static SCHEMA: Schema = Schema { namespaces: &[&NAMESPACE, &resource_lists::NAMESPACE, &XML] };

static NAMESPACE: Namespace = Namespace { name: RLS_SERVICES, elements: &[ROOT], attributes: &[] };

const ROOT: Declaration = element("rls-services", &RLS_SERVICES_KIND);
static RLS_SERVICES_KIND: Kind = Kind::of(Particle::many(Term::Element(&SERVICE)));

static SERVICE: Declaration = element("service", &SERVICE_KIND);
static SERVICE_KIND: Kind = Kind {
    attributes: &[AttributeUse::required("uri", Simple::Uri)],
    others: OTHERS,
    content: Content::Elements(Particle::one(Term::Sequence(&[
        Particle::one(Term::Choice(&[
            Particle::one(Term::Element(&RESOURCE_LIST)),
            Particle::one(Term::Element(&LIST)),
        ])),
        Particle::maybe(Term::Element(&PACKAGES)),
        Particle::many(Term::Any(OTHERS)),
    ]))),
};

static RESOURCE_LIST: Declaration = element("resource-list", &URI_KIND);
static URI_KIND: Kind = Kind::text(Simple::Uri);
static LIST: Declaration = element("list", &resource_lists::LIST_KIND);

static PACKAGES: Declaration = element("packages", &PACKAGES_KIND);
static PACKAGES_KIND: Kind = Kind::of(Particle::many(Term::Sequence(&[
    Particle::one(Term::Element(&PACKAGE)),
    Particle::many(Term::Any(OTHERS)),
])));
static PACKAGE: Declaration = element("package", &PACKAGE_KIND);
static PACKAGE_KIND: Kind = Kind::text(Simple::String);

const OTHERS: Others = Others::NotOf(RLS_SERVICES);

const fn element(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: RLS_SERVICES, name, kind }
}

/// A service of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its address with escapes undone, and with a scheme.
    pub uri: String,
}

/// The services that a document defines.
#[must_use]
pub fn services(tree: &Tree) -> Vec<Service> {
    let services = tree.root().elements_named(RLS_SERVICES, "service");
    let uris = services.filter_map(|service| service.attribute("uri"));
    uris.map(|uri| Service { uri: reference::resource(&uri) }).collect()
}

/// The document of the services of all users (§4.4.7), of their documents; what is in none is left out.
#[must_use]
pub fn print_index<'a>(documents: impl Iterator<Item = &'a Tree>) -> String {
    let mut out =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rls-services xmlns=\"{RLS_SERVICES}\">");
    for document in documents {
        for service in document.root().elements_named(RLS_SERVICES, "service") {
            out.push_str("\n  ");
            push_standing_alone(&mut out, service);
        }
    }
    out.push_str("\n</rls-services>\n");
    out
}

/// Appends an element as it is written, with the declarations that it stands under in its own document.
fn push_standing_alone(out: &mut String, element: Element<'_>) {
    let name = element.qualified_name();
    let Some(rest) = element.source().strip_prefix('<').and_then(|rest| rest.strip_prefix(name)) else {
        return;
    };
    out.push('<');
    out.push_str(name);
    let mut bindings = element.bindings();
    if !bindings.iter().any(|(prefix, _)| prefix.is_empty()) {
        bindings.push(("", ""));
    }
    let own: Vec<_> = element.declarations().map(|(prefix, _)| prefix).collect();
    for (prefix, uri) in bindings.into_iter().filter(|(prefix, _)| !own.contains(prefix)) {
        match prefix {
            "" => xml::push_attribute(out, "xmlns", uri),
            _ => xml::push_attribute(out, &format!("xmlns:{prefix}"), uri),
        }
    }
    out.push_str(rest);
}

fn check(root: Element<'_>, context: &Context<'_>) -> Result<(), Conflict> {
    let mut unique = Unique::default();
    for service in root.elements() {
        unique.check(root, service, "uri");
        let uri = service.attribute("uri").map(|uri| reference::resource(&uri));
        if let Some(uri) = uri.filter(|uri| (context.is_taken)(uri)) {
            unique.refuse(service, "uri", alternatives(&uri, context));
        }
        if let Some(list) = service.element(RLS_SERVICES, "resource-list")
            && !reference::is_document_of(&list.text(), "resource-lists", context.owner)
        {
            let phrase = "a resource-list is no absolute URI of a resource-lists document of the same user";
            return Err(Conflict::Constraint(phrase.into()));
        }
        if let Some(list) = service.element(RLS_SERVICES, "list") {
            resource_lists::check_list(list, &mut unique)?;
        }
    }
    unique.verdict()
}

/// An address that is free and reminds of the one that is not.
fn alternatives(uri: &str, context: &Context<'_>) -> Vec<String> {
    let Some((_, bare)) = uri.split_once(':') else { return Vec::new() };
    let own = context.owner.domain_in_ascii();
    let (wish, domain) = bare.split_once('@').unwrap_or((bare, &own));
    let owner = context.owner.local().unwrap_or_default();
    let candidates = (1..=9).map(|number| match number {
        1 => format!("sip:{owner}+{wish}@{domain}"),
        _ => format!("sip:{owner}+{wish}{number}@{domain}"),
    });
    candidates.filter(|candidate| !(context.is_taken)(candidate)).take(1).collect()
}

const RLS_SERVICES: &str = "urn:ietf:params:xml:ns:rls-services";
