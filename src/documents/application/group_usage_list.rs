//! `org.openmobilealliance.group-usage-list`: which groups the owner uses (OMA XDM 1.1): a resource-lists
//! document of its own.

use super::{Application, Names, Origin, Readers, resource_lists};

/// The application.
pub(super) static APPLICATION: Application = Application {
    auid: "org.openmobilealliance.group-usage-list",
    media_type: "application/vnd.oma.group-usage-list+xml",
    default_namespace: resource_lists::NAMESPACE.name,
    namespaces: &[resource_lists::NAMESPACE.name],
    names: Names::One { name: "index", aliases: &[] },
    stored_as: "org.openmobilealliance.group-usage-list",
    readers: Readers::Owner,
    origin: Origin::Stored,
    schema: &resource_lists::SCHEMA,
    root: &resource_lists::ROOT,
    constraints: resource_lists::check,
};
