//! Preferences as JSON: camelCase keys, every one of them known by name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    account::{AcceptedSenders, Preferences},
    api::error::Failure,
    signal::{Address, Audience, TemporaryPresence},
};

/// All preferences.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct PreferencesView {
    accepted_senders: &'static str,
    offline_storage: bool,
    device_messages: bool,
    device_copies: bool,
    temporary_presence: TemporaryPresenceView,
    listed: bool,
}

/// To whom it is answered that the owner is there.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TemporaryPresenceView {
    to: Audience,
    also: Vec<Address>,
    media: bool,
    text: bool,
    file: bool,
}

impl From<&Preferences> for PreferencesView {
    fn from(preferences: &Preferences) -> Self {
        Self {
            accepted_senders: preferences.accepted_senders.as_str(),
            offline_storage: preferences.offline_storage,
            device_messages: preferences.device_messages,
            device_copies: preferences.device_copies,
            temporary_presence: (&preferences.temporary_presence).into(),
            listed: preferences.listed,
        }
    }
}

/// `preferences` with the changes that a client asks for.
///
/// # Errors
/// The key that is unknown, or whose value is.
pub(in crate::api) fn changed(
    mut preferences: Preferences,
    changes: &Map<String, Value>,
) -> Result<Preferences, Failure> {
    for (key, value) in changes {
        let switch = match key.as_str() {
            "acceptedSenders" => {
                preferences.accepted_senders = parse_senders(value)?;
                continue;
            }
            "temporaryPresence" => {
                preferences.temporary_presence = parse_temporary(value)?;
                continue;
            }
            "offlineStorage" => &mut preferences.offline_storage,
            "deviceMessages" => &mut preferences.device_messages,
            "deviceCopies" => &mut preferences.device_copies,
            "listed" => &mut preferences.listed,
            _ => {
                let shown: String = key.chars().take(SHOWN_CHARS).collect();
                return Err(Failure::malformed(&format!("there is no preference '{shown}'")));
            }
        };
        let wrong = || Failure::malformed(&format!("{key} must be true or false"));
        *switch = value.as_bool().ok_or_else(wrong)?;
    }
    Ok(preferences)
}

fn parse_senders(value: &Value) -> Result<AcceptedSenders, Failure> {
    value.as_str().and_then(AcceptedSenders::parse).ok_or_else(|| {
        Failure::malformed("acceptedSenders must be everybody, authenticated, same-domain or nobody")
    })
}

fn parse_temporary(value: &Value) -> Result<TemporaryPresence, Failure> {
    let view = TemporaryPresenceView::deserialize(value).map_err(|_| {
        Failure::malformed(
            "temporaryPresence must have to (nobody, same-domain or everybody), also (addresses), media, text and file",
        )
    })?;
    let TemporaryPresenceView { to, mut also, media, text, file } = view;
    also.sort();
    also.dedup();
    if also.len() > TemporaryPresence::LISTED || also.iter().any(Address::is_domain) {
        return Err(Failure::malformed("temporaryPresence lists too many addresses, or a domain"));
    }
    Ok(TemporaryPresence { to, also, media, text, file })
}

impl From<&TemporaryPresence> for TemporaryPresenceView {
    fn from(choice: &TemporaryPresence) -> Self {
        let TemporaryPresence { to, also, media, text, file } = choice.clone();
        Self { to, also, media, text, file }
    }
}

/// How much of an unknown key is repeated in the error.
const SHOWN_CHARS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(changes: &str, expect: Result<&str, &str>) {
        let changes = serde_json::from_str(changes).unwrap();
        let outcome = changed(Preferences::default(), &changes);
        match (outcome, expect) {
            (Ok(now), Ok(json)) => {
                let now = serde_json::to_string(&PreferencesView::from(&now)).unwrap();
                assert!(now.contains(json), "{now}");
            }
            (Err(failure), Err(text)) => assert!(failure.0.text.unwrap().contains(text)),
            (outcome, expect) => panic!("{outcome:?}, {expect:?}"),
        }
    }

    #[test]
    fn known_keys_change_and_others_stay() {
        check("{}", Ok(r#""acceptedSenders":"everybody","offlineStorage":true"#));
        check(r#"{"acceptedSenders":"same-domain"}"#, Ok(r#""acceptedSenders":"same-domain""#));
        check(
            "{}",
            Ok(r#""temporaryPresence":{"to":"nobody","also":[],"media":true,"text":true,"file":true}"#),
        );
        let choice =
            r#"{"to":"same-domain","also":["Eve@example.org"],"media":true,"text":false,"file":false}"#;
        let expected =
            r#"{"to":"same-domain","also":["eve@example.org"],"media":true,"text":false,"file":false}"#;
        check(&format!(r#"{{"temporaryPresence":{choice}}}"#), Ok(expected));
        check(r#"{"listed":true}"#, Ok(r#""listed":true"#));
        check(r#"{"offlineStorage":false}"#, Ok(r#""offlineStorage":false,"deviceMessages":true"#));
    }

    #[test]
    fn unknown_keys_and_values_are_named() {
        check(r#"{"offline-storage":true}"#, Err("'offline-storage'"));
        check(r#"{"offlineStorage":"yes"}"#, Err("offlineStorage must be"));
        check(r#"{"acceptedSenders":"friends"}"#, Err("acceptedSenders must be"));
        check(r#"{"temporaryPresence":{"to":"all"}}"#, Err("temporaryPresence must have"));
        let domain = r#"{"to":"nobody","also":["example.org"],"media":true,"text":true,"file":true}"#;
        check(&format!(r#"{{"temporaryPresence":{domain}}}"#), Err("or a domain"));
        check(r#"{"acceptedSenders":null}"#, Err("acceptedSenders must be"));
    }
}
