//! What a person does and what that says of her availability (RFC 4480 §3.2).

use crate::signal::{Activity, Availability};

/// The availability that an activity stands for; `None` where it says nothing about it.
pub(super) fn availability_of(activity: &Activity) -> Option<Availability> {
    let name = match activity {
        Activity::OnThePhone => return Some(Availability::Busy),
        Activity::Named(name) => name.as_str(),
    };
    match name {
        "appointment" | "busy" | "meeting" | "performance" | "presentation" | "worship" => {
            Some(Availability::Busy)
        }
        "away" | "breakfast" | "dinner" | "in-transit" | "lunch" | "meal" | "shopping" => {
            Some(Availability::Away)
        }
        "holiday" | "permanent-absence" | "sleeping" | "travel" | "vacation" => {
            Some(Availability::ExtendedAway)
        }
        _ => None,
    }
}

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
