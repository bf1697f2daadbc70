//! Settings of an account by their names, as operators write them.

use crate::{
    signal::Audience,
    storage::{AcceptedSenders, Preferences},
};

use super::AdminError;

/// A setting and its new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    AcceptedSenders(AcceptedSenders),
    OfflineStorage(bool),
    DeviceMessages(bool),
    DeviceCopies(bool),
    TemporaryPresence(Audience),
    Listed(bool),
    Admin(bool),
    Disabled(bool),
}

impl Change {
    /// Reads a setting's name and its new value.
    pub(super) fn parse(name: &str, value: &str) -> Result<Self, AdminError> {
        let Some((_, choices)) = SETTINGS.iter().find(|(known, _)| *known == name) else {
            return Err(AdminError::UnknownSetting(name.to_owned()));
        };
        let wrong = || AdminError::Value { name: name.to_owned(), value: value.to_owned(), choices };
        let switch = || match value {
            "on" | "yes" | "true" => Ok(true),
            "off" | "no" | "false" => Ok(false),
            _ => Err(wrong()),
        };
        Ok(match name {
            "accepted-senders" => Self::AcceptedSenders(AcceptedSenders::parse(value).ok_or_else(wrong)?),
            "offline-storage" => Self::OfflineStorage(switch()?),
            "device-messages" => Self::DeviceMessages(switch()?),
            "device-copies" => Self::DeviceCopies(switch()?),
            "temporary-presence" => Self::TemporaryPresence(Audience::parse(value).ok_or_else(wrong)?),
            "listed" => Self::Listed(switch()?),
            "admin" => Self::Admin(switch()?),
            _ => Self::Disabled(switch()?),
        })
    }

    /// Whether the owner could change it as well.
    pub(super) fn is_preference(&self) -> bool {
        !matches!(self, Self::Admin(_) | Self::Disabled(_))
    }

    pub(super) fn apply(&self, preferences: &mut Preferences) {
        match *self {
            Self::AcceptedSenders(value) => preferences.accepted_senders = value,
            Self::OfflineStorage(value) => preferences.offline_storage = value,
            Self::DeviceMessages(value) => preferences.device_messages = value,
            Self::DeviceCopies(value) => preferences.device_copies = value,
            Self::TemporaryPresence(value) => preferences.temporary_presence.to = value,
            Self::Listed(value) => preferences.listed = value,
            Self::Admin(_) | Self::Disabled(_) => {}
        }
    }
}

/// The names of all settings, for an operator who mistyped one.
pub(super) fn names() -> String {
    SETTINGS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// What [`super::Command::Set`] can change, and to what.
pub const SETTINGS: &[(&str, &str)] = &[
    ("accepted-senders", "everybody, authenticated, same-domain or nobody"),
    ("offline-storage", "on or off"),
    ("device-messages", "on or off"),
    ("device-copies", "on or off"),
    ("temporary-presence", "nobody, same-domain or everybody"),
    ("listed", "on or off"),
    ("admin", "on or off"),
    ("disabled", "on or off"),
];
