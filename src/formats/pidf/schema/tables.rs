//! The schemas of RPID (RFC 4480 §5), CIPID (RFC 4482 §5), service capabilities (RFC 5196 §6), the data
//! model's `deviceID` (RFC 4479 §5.1.2) and Blink's own elements, as tables in the order of their texts.

use super::{Attributes, Branch, Content, Element, Foreign, Model, Particle, Simple};
use crate::formats::pidf::{AG_PROJECTS, CAPS, CIPID, DATA_MODEL, RPID, activity};

/// What an element is that may stand alone; `None` where no schema here says so.
pub(super) fn global(element: &Element) -> Option<&'static Model> {
    let table = match &*element.namespace {
        RPID => RPID_ELEMENTS,
        CIPID => CIPID_ELEMENTS,
        CAPS => CAPS_ELEMENTS,
        AG_PROJECTS => AG_PROJECTS_ELEMENTS,
        DATA_MODEL => DATA_MODEL_ELEMENTS,
        _ => return None,
    };
    table.iter().find(|(name, _)| *name == element.name).map(|(_, model)| *model)
}

const fn text(simple: Simple) -> Model {
    Model { content: Content::Text(simple), attributes: Attributes::None }
}

const fn sequence(particles: &'static [Particle], foreign: Foreign) -> Model {
    Model { content: Content::Sequence(particles, foreign), attributes: Attributes::None }
}

const fn choice(one_of: &'static [Branch], attributes: Attributes) -> Model {
    Model { content: Content::Choice { noted: true, one_of }, attributes }
}

const fn optional(names: &'static [&'static str], model: &'static Model) -> Particle {
    Particle { names, model, least: 0, most: 1 }
}

const fn one(names: &'static [&'static str]) -> Particle {
    Particle { names, model: &EMPTY, least: 1, most: 1 }
}

const fn many(names: &'static [&'static str], model: &'static Model) -> Particle {
    Particle { names, model, least: 0, most: usize::MAX }
}

pub(super) const EMPTY: Model = sequence(&[], Foreign::None);
pub(super) const NOTE: Model = Model { content: Content::Text(Simple::Any), attributes: Attributes::Lang };
const BOOLEAN: Model = text(Simple::Boolean);
const STRING: Model = text(Simple::Any);
const URI: Model = text(Simple::Uri);

const UNKNOWN: Branch = Branch::Sequence(&[one(&["unknown"])], Foreign::None);

const RPID_ELEMENTS: &[(&str, &Model)] = &[
    ("activities", &choice(&[Branch::Nothing, UNKNOWN, Branch::Many(&activity::KNOWN)], Attributes::Open)),
    ("class", &STRING),
    ("mood", &choice(&[UNKNOWN, Branch::Many(MOODS)], Attributes::Open)),
    (
        "place-is",
        &Model { content: Content::Sequence(PLACE_IS, Foreign::None), attributes: Attributes::Open },
    ),
    (
        "place-type",
        &choice(
            &[
                Branch::Sequence(
                    &[Particle { names: &["other"], model: &NOTE, least: 1, most: 1 }],
                    Foreign::None,
                ),
                Branch::Foreign,
            ],
            Attributes::Open,
        ),
    ),
    (
        "privacy",
        &choice(
            &[
                UNKNOWN,
                Branch::Sequence(
                    &[
                        optional(&["audio"], &EMPTY),
                        optional(&["text"], &EMPTY),
                        optional(&["video"], &EMPTY),
                    ],
                    Foreign::Any,
                ),
            ],
            Attributes::Open,
        ),
    ),
    (
        "relationship",
        &choice(
            &[
                Branch::Nothing,
                Branch::Sequence(
                    &[one(&["assistant", "associate", "family", "friend", "self", "supervisor", "unknown"])],
                    Foreign::None,
                ),
                Branch::Sequence(&[optional(&["other"], &NOTE)], Foreign::None),
                Branch::Foreign,
            ],
            Attributes::None,
        ),
    ),
    (
        "service-class",
        &choice(
            &[
                Branch::Sequence(
                    &[one(&["courier", "electronic", "freight", "in-person", "postal", "unknown"])],
                    Foreign::None,
                ),
                Branch::Foreign,
            ],
            Attributes::None,
        ),
    ),
    (
        "sphere",
        &Model {
            content: Content::Choice {
                noted: false,
                one_of: &[
                    Branch::Nothing,
                    Branch::Sequence(&[one(&["home", "work", "unknown"])], Foreign::None),
                    Branch::Foreign,
                ],
            },
            attributes: Attributes::Open,
        },
    ),
    ("status-icon", &Model { content: Content::Text(Simple::Uri), attributes: Attributes::Open }),
    ("time-offset", &Model { content: Content::Text(Simple::Integer), attributes: Attributes::Open }),
    (
        "user-input",
        &Model { content: Content::Text(Simple::OneOf(&["active", "idle"])), attributes: Attributes::Open },
    ),
];

const PLACE_IS: &[Particle] = &[
    many(&["note"], &NOTE),
    optional(&["audio"], &sequence(&[one(&["noisy", "ok", "quiet", "unknown"])], Foreign::None)),
    optional(&["video"], &sequence(&[one(&["toobright", "ok", "dark", "unknown"])], Foreign::None)),
    optional(
        &["text"],
        &sequence(&[one(&["uncomfortable", "inappropriate", "ok", "unknown"])], Foreign::None),
    ),
];

#[rustfmt::skip]
const MOODS: &[&str] = &[
    "afraid", "amazed", "angry", "annoyed", "anxious", "ashamed", "bored", "brave", "calm", "cold",
    "confused", "contented", "cranky", "curious", "depressed", "disappointed", "disgusted", "distracted",
    "embarrassed", "excited", "flirtatious", "frustrated", "grumpy", "guilty", "happy", "hot", "humbled",
    "humiliated", "hungry", "hurt", "impressed", "in_awe", "in_love", "indignant", "interested",
    "invincible", "jealous", "lonely", "mean", "moody", "nervous", "neutral", "offended", "playful",
    "proud", "relieved", "remorseful", "restless", "sad", "sarcastic", "serious", "shocked", "shy", "sick",
    "sleepy", "stressed", "surprised", "thirsty", "worried",
];

const CIPID_ELEMENTS: &[(&str, &Model)] = &[
    ("card", &URI),
    ("display-name", &STRING),
    ("homepage", &URI),
    ("icon", &URI),
    ("map", &URI),
    ("sound", &URI),
];

const DATA_MODEL_ELEMENTS: &[(&str, &Model)] = &[("deviceID", &URI)];

const AG_PROJECTS_ELEMENTS: &[(&str, &Model)] = &[
    ("extended", &text(Simple::OneOf(&["available", "away", "busy", "offline"]))),
    (
        "device-info",
        &Model {
            content: Content::Sequence(
                &[
                    optional(&["description"], &STRING),
                    optional(&["user-agent"], &STRING),
                    optional(&["time-offset"], &text(Simple::Decimal)),
                ],
                Foreign::None,
            ),
            attributes: Attributes::Name,
        },
    ),
];

/// What is supported and then what is not, both of the same form.
macro_rules! lists {
    ($model:ident) => {
        sequence(&[optional(&["supported"], &$model), optional(&["notsupported"], &$model)], Foreign::None)
    };
}

const CAPS_ELEMENTS: &[(&str, &Model)] = &[
    ("servcaps", &Model { content: Content::Sequence(SERVCAPS, Foreign::Any), attributes: Attributes::Open }),
    (
        "devcaps",
        &Model {
            content: Content::Sequence(
                &[many(&["description"], &NOTE), optional(&["mobility"], &lists!(MOBILITIES))],
                Foreign::Any,
            ),
            attributes: Attributes::Open,
        },
    ),
];

const SERVCAPS: &[Particle] = &[
    optional(&["actor"], &lists!(ACTORS)),
    optional(&["application"], &BOOLEAN),
    optional(&["audio"], &BOOLEAN),
    optional(&["automata"], &BOOLEAN),
    optional(&["class"], &lists!(CLASSES)),
    optional(&["control"], &BOOLEAN),
    optional(&["data"], &BOOLEAN),
    many(&["description"], &NOTE),
    optional(&["duplex"], &lists!(DUPLEXES)),
    optional(&["event-packages"], &lists!(EVENTS)),
    optional(&["extensions"], &lists!(EXTENSIONS)),
    optional(&["isfocus"], &BOOLEAN),
    optional(&["message"], &BOOLEAN),
    optional(&["methods"], &lists!(METHODS)),
    optional(&["languages"], &lists!(LANGUAGES)),
    optional(&["priority"], &lists!(PRIORITIES)),
    optional(&["schemes"], &lists!(SCHEMES)),
    optional(&["text"], &BOOLEAN),
    many(&["type"], &STRING),
    optional(&["video"], &BOOLEAN),
];

/// A list of names, each with a text or none, in the schema's order.
macro_rules! names {
    ($($name:literal),*) => { sequence(&[$(optional(&[$name], &STRING)),*], Foreign::Any) };
}

const ACTORS: Model = names!["attendant", "information", "msg-taker", "principal"];
const CLASSES: Model = names!["business", "personal"];
const DUPLEXES: Model = names!["full", "half", "receive-only", "send-only"];
const MOBILITIES: Model = names!["fixed", "mobile"];
#[rustfmt::skip]
const EVENTS: Model = names![
    "conference", "dialog", "kpml", "message-summary", "poc-settings", "presence", "reg", "refer",
    "Siemens-RTP-Stats", "spirits-INDPs", "spirits-user-prof", "winfo"
];
#[rustfmt::skip]
const EXTENSIONS: Model = names![
    "rel100", "early-session", "eventlist", "from-change", "gruu", "hist-info", "join", "norefersub",
    "path", "precondition", "pref", "privacy", "recipient-list-invite", "recipient-list-subscribe",
    "replaces", "resource-priority", "sdp-anat", "sec-agree", "tdialog", "timer"
];
#[rustfmt::skip]
const METHODS: Model = names![
    "ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER",
    "REGISTER", "SUBSCRIBE", "UPDATE"
];
const LANGUAGES: Model = texts(&[Particle { names: &["l"], model: &STRING, least: 1, most: usize::MAX }]);
const SCHEMES: Model = texts(&[Particle { names: &["s"], model: &STRING, least: 1, most: usize::MAX }]);
const PRIORITIES: Model = sequence(
    &[
        many(&["equals"], &numbers(&["value"])),
        // As the schema spells it.
        many(&["higherhan"], &numbers(&["minvalue"])),
        many(&["lowerthan"], &numbers(&["maxvalue"])),
        many(&["range"], &numbers(&["minvalue", "maxvalue"])),
    ],
    Foreign::Any,
);

const fn texts(particles: &'static [Particle]) -> Model {
    sequence(particles, Foreign::None)
}

const fn numbers(names: &'static [&'static str]) -> Model {
    Model { content: Content::Sequence(&[], Foreign::None), attributes: Attributes::Numbers(names) }
}
