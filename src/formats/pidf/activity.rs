//! The names of what a person does (RFC 4480 §3.2).

use crate::signal::Activity;

/// The activity by its element's name.
pub(super) fn from_name(name: &str) -> Activity {
    if name == "on-the-phone" { Activity::OnThePhone } else { Activity::Named(name.into()) }
}

/// The name of the activity's element.
pub(super) fn name_of(activity: &Activity) -> &str {
    match activity {
        Activity::OnThePhone => "on-the-phone",
        Activity::Named(name) => name,
    }
}

/// Whether the schema of RPID has an empty element of this name; others are written as `other`.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.binary_search(&name).is_ok()
}

/// The names in the schema, sorted.
pub(super) const KNOWN: [&str; 24] = [
    "appointment",
    "away",
    "breakfast",
    "busy",
    "dinner",
    "holiday",
    "in-transit",
    "looking-for-work",
    "meal",
    "meeting",
    "on-the-phone",
    "performance",
    "permanent-absence",
    "playing",
    "presentation",
    "shopping",
    "sleeping",
    "spectator",
    "steering",
    "travel",
    "tv",
    "vacation",
    "working",
    "worship",
];
