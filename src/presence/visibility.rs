//! Who may see an account's presence, and what is left of it for those who may see a part.

use crate::signal::{
    Attribute, Availability, Contact, Granted, Native, Presence, Resource, Selector, UserInput, View,
};

/// Where somebody stands towards an account's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// May see it.
    Allowed,
    /// Asked, or may ask; sees nothing.
    Undecided,
}

/// Where somebody stands: the owner sees herself, a contact what the owner granted.
#[must_use]
pub fn standing(is_owner: bool, contact: Option<&Contact>) -> Standing {
    if is_owner || contact.is_some_and(|contact| contact.from) {
        Standing::Allowed
    } else {
        Standing::Undecided
    }
}

/// What of a session's presence this view shows, in the words that all protocols have (RFC 5025
/// §3.3.2). How a person is beyond being there at all is an activity of hers.
#[must_use]
pub fn seen_by(view: &View, presence: &Presence) -> Presence {
    let is_person_seen = view.persons != Granted::Some([].into());
    let has = |attribute| view.attributes.has(attribute);
    let is_active = is_person_seen && has(Attribute::Activities);
    let availability = match presence.availability {
        Availability::Offline => Availability::Offline,
        how if is_active => how,
        _ => Availability::Online,
    };
    Presence {
        availability,
        eager: is_active && presence.eager,
        notes: if has(Attribute::Note) { presence.notes.clone() } else { Vec::new() },
        activities: if is_active { presence.activities.clone() } else { Vec::new() },
        idle_since: presence.idle_since.filter(|_| view.attributes.user_input() == UserInput::Full),
        since: presence.since,
        priority: presence.priority,
        sphere: presence.sphere.clone().filter(|_| is_person_seen && has(Attribute::Sphere)),
        // The client's own form says all.
        native: Native::None,
        origin_id: presence.origin_id.clone(),
    }
}

/// Whether this view shows a session at all (RFC 5025 §3.3.1.3). One without a contact of its own is
/// reached by the account's address, whatever the scheme.
#[must_use]
pub fn is_session_seen(view: &View, name: &Resource, contact: Option<&str>) -> bool {
    let Granted::Some(selectors) = &view.services else { return true };
    selectors.iter().any(|selector| match selector {
        Selector::Occurrence(id) => id == name.as_str(),
        Selector::ServiceUri(uri) => contact == Some(uri),
        Selector::ServiceScheme(scheme) => contact.is_none_or(|contact| {
            contact.split_once(':').is_some_and(|(own, _)| own.eq_ignore_ascii_case(scheme))
        }),
        Selector::Class(_) | Selector::DeviceId(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Activity, Address, Attributes, Text, Timestamp};

    #[test]
    fn a_part_of_a_presence_says_no_more_than_was_granted() {
        let presence = Presence {
            availability: Availability::Busy,
            notes: vec![Text::plain("at the doctor's")],
            activities: vec![Activity::Named("appointment".into())],
            idle_since: Some(Timestamp(5)),
            native: Native::Elements { payload: "<status>at the doctor's</status>".into(), lang: None },
            sphere: Some("home".into()),
            ..Presence::online(Timestamp(7))
        };
        let bare = seen_by(&View { services: Granted::All, ..View::nothing() }, &presence);
        assert_eq!(bare, Presence::online(Timestamp(7)));
        let attributes = |named: &[Attribute], user_input| Attributes::Some {
            named: named.iter().copied().collect(),
            user_input,
            unknown: [].into(),
        };
        let view = View {
            attributes: attributes(&[Attribute::Activities, Attribute::Note], UserInput::Full),
            ..View::everything()
        };
        let more = seen_by(&view, &presence);
        assert_eq!((more.availability, more.activities.len(), more.notes.len()), (Availability::Busy, 1, 1));
        assert_eq!((more.idle_since, more.sphere, more.native), (Some(Timestamp(5)), None, Native::None));
        let view = View { persons: Granted::Some([].into()), ..view };
        assert_eq!(seen_by(&view, &presence).availability, Availability::Online, "of the person nothing");
        assert_eq!(seen_by(&view, &Presence::offline(Timestamp(9))), Presence::offline(Timestamp(9)));
    }

    #[test]
    fn services_are_named_by_id_address_or_scheme() {
        let name = Resource::new("desk").unwrap();
        for (selector, contact, expected) in [
            (Selector::Occurrence("desk".into()), None, true),
            (Selector::Occurrence("other".into()), None, false),
            (Selector::ServiceUri("tel:1".into()), Some("tel:1"), true),
            (Selector::ServiceUri("tel:1".into()), Some("tel:2"), false),
            (Selector::ServiceScheme("tel".into()), Some("TEL:2"), true),
            (Selector::ServiceScheme("tel".into()), Some("mailto:a"), false),
            (Selector::ServiceScheme("tel".into()), None, true),
            (Selector::Class("work".into()), None, false),
        ] {
            let view = View { services: Granted::Some([selector].into()), ..View::nothing() };
            assert_eq!(is_session_seen(&view, &name, contact), expected, "{view:?}");
        }
        assert!(is_session_seen(&View::everything(), &name, None));
        assert!(!is_session_seen(&View::nothing(), &name, None));
    }

    #[test]
    fn only_the_owner_and_granted_contacts_see() {
        let mut contact = Contact::new(Address::parse("bob@example.org").unwrap());
        assert_eq!(standing(true, None), Standing::Allowed);
        assert_eq!(standing(false, None), Standing::Undecided);
        contact.to = true;
        assert_eq!(standing(false, Some(&contact)), Standing::Undecided);
        contact.from = true;
        assert_eq!(standing(false, Some(&contact)), Standing::Allowed);
    }
}
