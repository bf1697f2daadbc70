//! From rules to XML, in the shape of the RFCs.

use super::{COMMON_POLICY, OMA, PRES_RULES, read::ATTRIBUTES};
use crate::{
    formats::xml::{push_element, push_element_with},
    signal::{
        Attributes, Condition, Entity, Except, Granted, Handling, Identity, Period, Rule, Ruleset, Selector,
        UserInput, View,
    },
};

/// Prints a ruleset.
#[must_use]
pub fn print(ruleset: &Ruleset) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(&format!(
        "<ruleset xmlns=\"{COMMON_POLICY}\" xmlns:pr=\"{PRES_RULES}\" xmlns:ocp=\"{OMA}\">"
    ));
    for rule in &ruleset.rules {
        push_rule(&mut out, rule);
    }
    out.push_str("</ruleset>");
    out
}

fn push_rule(out: &mut String, rule: &Rule) {
    push_open(out, "rule", &[("id", &rule.id)]);
    out.push_str("<conditions>");
    for condition in &rule.conditions {
        push_condition(out, condition);
    }
    out.push_str("</conditions><actions>");
    if let Some(handling) = rule.handling {
        let word = match handling {
            Handling::Block => "block",
            Handling::Confirm => "confirm",
            Handling::PoliteBlock => "polite-block",
            Handling::Allow => "allow",
        };
        push_element(out, "pr:sub-handling", word);
    }
    out.push_str("</actions><transformations>");
    if let Some(view) = &rule.view {
        push_view(out, view);
    }
    out.push_str("</transformations></rule>");
}

fn push_condition(out: &mut String, condition: &Condition) {
    match condition {
        Condition::Identity(all) => {
            out.push_str("<identity>");
            for identity in all {
                push_identity(out, identity);
            }
            out.push_str("</identity>");
        }
        Condition::Sphere(all) => push_element_with(out, "sphere", &[("value", &all.join(" "))], ""),
        Condition::Validity(all) => {
            out.push_str("<validity>");
            for Period { from, until } in all {
                push_element(out, "from", &from.to_string());
                push_element(out, "until", &until.to_string());
            }
            out.push_str("</validity>");
        }
        Condition::ExternalList(all) => {
            out.push_str("<ocp:external-list>");
            for anchor in all {
                push_element_with(out, "ocp:entry", &[("anc", &escape(anchor))], "");
            }
            out.push_str("</ocp:external-list>");
        }
        Condition::OtherIdentity => out.push_str("<ocp:other-identity/>"),
        Condition::AnonymousRequest => out.push_str("<ocp:anonymous-request/>"),
        // The people beside it are written; for how long they count is not theirs to read.
        Condition::Granted | Condition::Blocked => {}
        // Whoever reads it knows it no more than we did.
        Condition::Unknown => push_element_with(out, "unknown", &[("xmlns", UNKNOWN)], ""),
    }
}

fn push_identity(out: &mut String, identity: &Identity) {
    match identity {
        Identity::One(entity) => push_element_with(out, "one", &[("id", &print_entity(entity))], ""),
        Identity::Many { domain, except } => {
            let domain = domain.as_ref().map(|domain| ("domain", domain.as_str()));
            push_open(out, "many", domain.as_slice());
            for one in except {
                match one {
                    Except::One(entity) => {
                        push_element_with(out, "except", &[("id", &print_entity(entity))], "");
                    }
                    Except::Domain(domain) => push_element_with(out, "except", &[("domain", domain)], ""),
                }
            }
            out.push_str("</many>");
        }
    }
}

fn push_view(out: &mut String, view: &View) {
    for (name, all, granted) in [
        ("pr:provide-services", "pr:all-services", &view.services),
        ("pr:provide-persons", "pr:all-persons", &view.persons),
        ("pr:provide-devices", "pr:all-devices", &view.devices),
    ] {
        push_granted(out, name, all, granted);
    }
    match &view.attributes {
        Attributes::All => out.push_str("<pr:provide-all-attributes/>"),
        Attributes::Some { named, user_input, unknown } => {
            for (word, _) in ATTRIBUTES.iter().filter(|(_, attribute)| named.contains(attribute)) {
                push_element(out, &format!("pr:{word}"), "true");
            }
            let amount = match user_input {
                UserInput::False => "false",
                UserInput::Bare => "bare",
                UserInput::Thresholds => "thresholds",
                UserInput::Full => "full",
            };
            push_element(out, "pr:provide-user-input", amount);
            for (space, name) in unknown {
                let attributes = [("ns", space.as_str()), ("name", name.as_str())];
                push_element_with(out, "pr:provide-unknown-attribute", &attributes, "true");
            }
        }
    }
}

fn push_granted(out: &mut String, name: &str, all: &str, granted: &Granted) {
    out.push_str(&format!("<{name}>"));
    match granted {
        Granted::All => out.push_str(&format!("<{all}/>")),
        Granted::Some(selectors) => {
            for selector in selectors {
                let (word, text) = match selector {
                    Selector::Class(text) => ("pr:class", text),
                    Selector::Occurrence(text) => ("pr:occurrence-id", text),
                    Selector::DeviceId(text) => ("pr:deviceID", text),
                    Selector::ServiceUri(text) => ("pr:service-uri", text),
                    Selector::ServiceScheme(text) => ("pr:service-uri-scheme", text),
                };
                push_element(out, word, text);
            }
        }
    }
    out.push_str(&format!("</{name}>"));
}

fn push_open(out: &mut String, name: &str, attributes: &[(&str, &str)]) {
    push_element_with(out, name, attributes, "");
    out.truncate(out.len() - name.len() - 3);
}

fn print_entity(entity: &Entity) -> String {
    match entity {
        Entity::Account(address) => format!("sip:{}", escape(&address.with_ascii_domain())),
        Entity::Other(text) => escape(text),
        // Lists have them, rules do not.
        Entity::Granted | Entity::Blocked => String::new(),
    }
}

/// The reader undoes escapes: what looks like one is escaped itself.
fn escape(text: &str) -> String {
    text.replace('%', "%25")
}

/// A namespace that nobody knows.
const UNKNOWN: &str = "urn:example:unknown-condition";
