//! `im-rules`: whose messages are accepted. The application of SER's presence module: common policy with
//! `im-handling`.

use super::{
    Application, Names, Origin, Readers,
    common_policy::{self, COMMON_POLICY, OMA_COMMON_POLICY},
    unconstrained,
};
use crate::documents::schema::{Declaration, Kind, Namespace, Schema, Simple, XML};

/// The application.
pub(super) static APPLICATION: Application = Application {
    auid: "im-rules",
    media_type: "application/auth-policy+xml",
    default_namespace: COMMON_POLICY,
    namespaces: &[IM_RULES, COMMON_POLICY, OMA_COMMON_POLICY],
    names: Names::One { name: "index", aliases: &["im-rules.xml", "im-rules"] },
    stored_as: "im-rules",
    readers: Readers::Owner,
    origin: Origin::Stored,
    schema: &SCHEMA,
    root: &common_policy::ROOT,
    constraints: unconstrained,
};

static SCHEMA: Schema =
    Schema { namespaces: &[&common_policy::NAMESPACE, &common_policy::OMA, &NAMESPACE, &XML] };

static NAMESPACE: Namespace = Namespace {
    name: IM_RULES,
    elements: &[Declaration { namespace: IM_RULES, name: "im-handling", kind: &IM_HANDLING }],
    attributes: &[],
};

static IM_HANDLING: Kind = Kind::text(Simple::OneOf(&["block", "polite-block", "allow"]));

const IM_RULES: &str = "urn:iptel:xml:ns:im-rules";
