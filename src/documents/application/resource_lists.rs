//! `resource-lists`: lists of people (RFC 4826 §3).
//!
//! Beyond the schema: names and references are unique within their parent, references have the right shape
//! (§3.4.5). What they lead to is not looked at. Clients write URIs escaped and without scheme
//! (`bob%40example.org`): those are URIs too.

use super::{Application, Conflict, Context, Names, Origin, Readers, reference, unique::Unique};
use crate::documents::{
    schema::{
        AttributeUse, Content, Declaration, Kind, Namespace, Others, Particle, Schema, Simple,
        TEXT_IN_A_LANGUAGE, Term, XML,
    },
    tree::Element,
};

/// The application.
pub(super) static APPLICATION: Application = Application {
    auid: "resource-lists",
    media_type: "application/resource-lists+xml",
    default_namespace: NAMESPACE.name,
    namespaces: &[NAMESPACE.name],
    names: Names::Any,
    stored_as: "resource-lists",
    readers: Readers::Owner,
    origin: Origin::Stored,
    schema: &SCHEMA,
    root: &ROOT,
    constraints: check,
};

pub(super) static NAMESPACE: Namespace =
    Namespace { name: RESOURCE_LISTS, elements: &[ROOT], attributes: &[] };

pub(super) static SCHEMA: Schema = Schema { namespaces: &[&NAMESPACE, &XML] };

pub(super) const ROOT: Declaration = element("resource-lists", &RESOURCE_LISTS_KIND);

static RESOURCE_LISTS_KIND: Kind = Kind::of(Particle::many(Term::Element(&LIST)));

static LIST: Declaration = element("list", &LIST_KIND);
static ENTRY: Declaration = element("entry", &ENTRY_KIND);
static ENTRY_REF: Declaration = element("entry-ref", &ENTRY_REF_KIND);
static EXTERNAL: Declaration = element("external", &EXTERNAL_KIND);
static DISPLAY_NAME: Declaration = element("display-name", &TEXT_IN_A_LANGUAGE);

/// `listType`, which other schemas use, too.
pub(super) static LIST_KIND: Kind = Kind {
    attributes: &[AttributeUse::optional("name", Simple::String)],
    others: OTHERS,
    content: Content::Elements(Particle::one(Term::Sequence(&[
        Particle::maybe(Term::Element(&DISPLAY_NAME)),
        Particle::many(Term::Choice(&[
            Particle::one(Term::Element(&LIST)),
            Particle::one(Term::Element(&EXTERNAL)),
            Particle::one(Term::Element(&ENTRY)),
            Particle::one(Term::Element(&ENTRY_REF)),
        ])),
        Particle::many(Term::Any(OTHERS)),
    ]))),
};

static ENTRY_KIND: Kind = member(&[AttributeUse::required("uri", Simple::Uri)]);
static ENTRY_REF_KIND: Kind = member(&[AttributeUse::required("ref", Simple::Uri)]);
static EXTERNAL_KIND: Kind = member(&[AttributeUse::optional("anchor", Simple::Uri)]);

const fn member(attributes: &'static [AttributeUse]) -> Kind {
    let content = Particle::one(Term::Sequence(&MEMBER));
    Kind { attributes, others: OTHERS, content: Content::Elements(content) }
}

static MEMBER: [Particle; 2] =
    [Particle::maybe(Term::Element(&DISPLAY_NAME)), Particle::many(Term::Any(OTHERS))];

const OTHERS: Others = Others::NotOf(RESOURCE_LISTS);

const fn element(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: RESOURCE_LISTS, name, kind }
}

pub(super) fn check(root: Element<'_>, _: &Context<'_>) -> Result<(), Conflict> {
    let mut unique = Unique::default();
    check_list(root, &mut unique)?;
    unique.verdict()
}

/// What the members of a list, or of the document, have to be beyond the schema.
pub(super) fn check_list(parent: Element<'_>, unique: &mut Unique) -> Result<(), Conflict> {
    let is_member = |child: &Element<'_>| child.namespace() == Some(RESOURCE_LISTS);
    for member in parent.elements().filter(is_member) {
        match member.name() {
            "list" => {
                unique.check(parent, member, "name");
                check_list(member, unique)?;
            }
            "entry" => unique.check(parent, member, "uri"),
            "entry-ref" => {
                unique.check(parent, member, "ref");
                let is_right = member.attribute("ref").is_none_or(|to| reference::is_relative_path(&to));
                refuse_unless(is_right, "the ref of an entry-ref is no relative path")?;
            }
            "external" => {
                unique.check(parent, member, "anchor");
                let is_right = member.attribute("anchor").is_none_or(|to| reference::is_absolute_http(&to));
                refuse_unless(is_right, "the anchor of an external is no absolute HTTP URI")?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn refuse_unless(is_right: bool, phrase: &str) -> Result<(), Conflict> {
    if is_right { Ok(()) } else { Err(Conflict::Constraint(phrase.into())) }
}

const RESOURCE_LISTS: &str = "urn:ietf:params:xml:ns:resource-lists";
