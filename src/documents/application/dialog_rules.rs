//! `org.openxcap.dialog-rules`: who may follow the owner's calls. Common policy with Blink's `sub-handling`.

use super::{
    Application, Names, Origin, Readers,
    common_policy::{self, COMMON_POLICY, OMA_COMMON_POLICY},
    pres_rules::HANDLINGS,
    unconstrained,
};
use crate::documents::schema::{Declaration, Kind, Namespace, Schema, XML};

/// The application.
pub(super) static APPLICATION: Application = Application {
    auid: "org.openxcap.dialog-rules",
    media_type: "application/auth-policy+xml",
    default_namespace: COMMON_POLICY,
    namespaces: &[DIALOG_RULES, COMMON_POLICY, OMA_COMMON_POLICY],
    names: Names::One { name: "index", aliases: &[] },
    stored_as: "org.openxcap.dialog-rules",
    readers: Readers::Owner,
    origin: Origin::Stored,
    schema: &SCHEMA,
    root: &common_policy::ROOT,
    constraints: unconstrained,
};

static SCHEMA: Schema =
    Schema { namespaces: &[&common_policy::NAMESPACE, &common_policy::OMA, &NAMESPACE, &XML] };

static NAMESPACE: Namespace = Namespace {
    name: DIALOG_RULES,
    elements: &[Declaration { namespace: DIALOG_RULES, name: "sub-handling", kind: &SUB_HANDLING }],
    attributes: &[],
};

static SUB_HANDLING: Kind = Kind::text(HANDLINGS);

const DIALOG_RULES: &str = "urn:ag-projects:xml:ns:dialog-rules";
