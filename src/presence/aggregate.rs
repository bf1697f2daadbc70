//! Many sessions to one state.
//!
//! The strongest availability wins: busy over online over away over extended away over offline.
//! Among equals the one with the higher priority speaks for the person, then the newer one. What she does is
//! what was said last of all sessions, as long as that does not contradict how reachable she is.

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::signal::{Activity, Availability, Native, Presence, Timestamp};

/// The state of a person whose sessions say `sessions`; offline since `now` where there is none.
#[must_use]
pub fn aggregate<'a>(sessions: impl IntoIterator<Item = &'a Presence>, now: Timestamp) -> Presence {
    let rank =
        |presence: &&Presence| (presence.availability, presence.eager, presence.priority, presence.since);
    // A person is idle when she touches none of her devices.
    let mut idle_since = Some(None);
    // Nobody knows the sphere of a person of whom two are told (RFC 5025 §3.1.2).
    let mut spheres: Option<Option<&CompactString>> = None;
    // Many sessions say nothing of what she does: only the others are looked at again.
    let mut doing: SmallVec<[&Presence; 4]> = SmallVec::new();
    let available = sessions.into_iter().filter(|presence| presence.is_available()).inspect(|presence| {
        if !presence.activities.is_empty() {
            doing.push(presence);
        }
        idle_since = idle_since.zip(presence.idle_since).map(|(latest, since)| latest.max(Some(since)));
        if let Some(sphere) = &presence.sphere {
            spheres = Some(spheres.map_or(Some(sphere), |known| known.filter(|known| *known == sphere)));
        }
    });
    let Some(winner) = available.max_by_key(rank) else { return Presence::offline(now) };
    Presence {
        availability: winner.availability,
        eager: winner.eager,
        notes: winner.notes.clone(),
        activities: activities(&doing, winner.availability),
        sphere: spheres.flatten().cloned(),
        idle_since: idle_since.flatten(),
        since: winner.since,
        priority: winner.priority,
        native: Native::None,
        origin_id: None,
    }
}

/// What a person does who is so reachable: the newest word for it that fits.
fn activities(doing: &[&Presence], availability: Availability) -> Vec<Activity> {
    let fits = |activity: &&Activity| activity.implied().is_none_or(|implied| implied == availability);
    let newest = doing
        .iter()
        .filter(|presence| presence.activities.iter().any(|activity| fits(&activity)))
        .max_by_key(|presence| (presence.since, presence.availability, presence.priority));
    newest.map(|presence| presence.activities.iter().filter(fits).cloned().collect()).unwrap_or_default()
}

/// What a session shows while it takes part in a call: busy, on the phone.
#[must_use]
pub fn during_call(presence: &Presence) -> Presence {
    let mut shown = presence.clone();
    shown.availability = Availability::Busy;
    shown.eager = false;
    // A client's own form says nothing of the call and is passed on as it is. Of a document a new one is
    // made, which says it.
    if matches!(shown.native, Native::Elements { .. }) {
        shown.native = Native::None;
    }
    if !shown.activities.contains(&Activity::OnThePhone) {
        shown.activities.insert(0, Activity::OnThePhone);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use Availability::{Away, Busy, ExtendedAway, Offline, Online};

    fn at(availability: Availability, priority: i8, since: i64) -> Presence {
        Presence { availability, priority, since: Timestamp(since), ..Presence::default() }
    }

    #[test]
    fn the_strongest_state_wins() {
        for (states, expected) in [
            (&[][..], Offline),
            (&[Offline], Offline),
            (&[ExtendedAway, Offline], ExtendedAway),
            (&[Away, ExtendedAway], Away),
            (&[Away, Online, ExtendedAway], Online),
            (&[Online, Busy, Away], Busy),
        ] {
            let sessions: Vec<_> = states.iter().map(|state| at(*state, 0, 0)).collect();
            assert_eq!(aggregate(&sessions, Timestamp(9)).availability, expected, "{states:?}");
        }
    }

    #[test]
    fn among_equals_priority_and_then_the_newer_speaks() {
        let low_new = at(Online, 1, 20);
        let high_old = at(Online, 5, 10);
        assert_eq!(aggregate([&low_new, &high_old], Timestamp(0)).priority, 5);
        let newer = at(Online, 5, 30);
        assert_eq!(aggregate([&newer, &high_old], Timestamp(0)).since, Timestamp(30));
    }

    #[test]
    fn what_she_does_is_what_was_said_last_unless_it_contradicts_how_she_is() {
        let named = |name: &str| Activity::Named(name.into());
        let does = |availability, since, names: &[&str]| {
            let activities = names.iter().map(|name| named(name)).collect();
            Presence {
                activities,
                priority: 100 - i8::try_from(since).unwrap(),
                ..at(availability, 0, since)
            }
        };
        for (sessions, expected) in [
            (&[does(Online, 1, &["working"]), does(Online, 2, &["playing"])][..], &["playing"][..]),
            (&[does(Online, 1, &["working"]), does(Online, 2, &[])], &["working"]),
            (&[does(Busy, 1, &["meeting"]), does(Away, 2, &["lunch"])], &["meeting"]),
            (&[does(Online, 1, &[]), does(Away, 2, &["lunch", "tv"])], &["tv"]),
            (&[does(Busy, 1, &["meeting"]), does(Busy, 2, &["presentation", "away"])], &["presentation"]),
            (&[does(Offline, 3, &["tv"]), does(Online, 1, &[])], &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(|name| named(name)).collect();
            assert_eq!(aggregate(sessions, Timestamp(9)).activities, expected, "{sessions:?}");
        }
    }

    #[test]
    fn a_person_is_idle_only_when_all_sessions_are() {
        let mut desk = at(Online, 0, 0);
        let phone = at(Online, 0, 0);
        desk.idle_since = Some(Timestamp(5));
        assert_eq!(aggregate([&desk, &phone], Timestamp(0)).idle_since, None);
        assert_eq!(aggregate([&desk], Timestamp(0)).idle_since, Some(Timestamp(5)));
        let mut later = phone.clone();
        later.idle_since = Some(Timestamp(7));
        assert_eq!(aggregate([&later, &desk], Timestamp(0)).idle_since, Some(Timestamp(7)));
        assert_eq!(aggregate([&phone, &desk], Timestamp(0)).idle_since, None);
    }

    #[test]
    fn a_sphere_is_known_where_all_that_tell_one_agree() {
        for (told, expected) in [
            (&[][..], None),
            (&[None, Some("work")], Some("work")),
            (&[Some("work"), Some("work")], Some("work")),
            (&[Some("work"), Some("home"), Some("work")], None),
        ] {
            let sessions: Vec<_> = told
                .iter()
                .map(|sphere| Presence { sphere: sphere.map(CompactString::from), ..at(Online, 0, 0) })
                .collect();
            assert_eq!(aggregate(&sessions, Timestamp(0)).sphere.as_deref(), expected, "{told:?}");
        }
    }

    #[test]
    fn a_call_makes_busy_and_says_why() {
        let shown = during_call(&at(Away, 0, 0));
        assert_eq!((shown.availability, shown.activities[0].clone()), (Busy, Activity::OnThePhone));
        let body = bytes::Bytes::from_static(b"x");
        let document =
            Native::Mime { content_type: "text/x".into(), headers: Vec::new(), body: body.clone() };
        let elements = Native::Elements { payload: body, lang: None };
        for (native, left) in [(document.clone(), document), (elements, Native::None)] {
            let presence = Presence { native, ..at(Away, 0, 0) };
            assert_eq!(during_call(&presence).native, left);
        }
    }
}
