//! From XML to rules.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use roxmltree::Node;

use super::{COMMON_POLICY, DIALOG_RULES, IM_RULES, OMA, PRES_RULES, RulesError};
use crate::{
    formats::{
        percent::unescape,
        xml::{self, Limits, child, children, text_of},
    },
    signal::{
        Address, Attribute, Attributes, Condition, Entity, Except, Granted, Handling, Identity, Period, Rule,
        Ruleset, RulesetLimits, Selector, Timestamp, UserInput, View,
    },
};

/// Reads a ruleset. The lists that it names have no members here.
///
/// # Errors
/// What is wrong with the text.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Ruleset, RulesError> {
    let document = xml::parse(bytes, limits)?;
    let root = document.root_element();
    if !root.has_tag_name((COMMON_POLICY, "ruleset")) {
        return Err(RulesError::Root);
    }
    let rules = children(root, COMMON_POLICY, "rule").map(read_rule).collect::<Result<Vec<_>, _>>()?;
    let mut ids = BTreeSet::new();
    if !rules.iter().all(|rule| ids.insert(&rule.id)) {
        return Err(RulesError::Id);
    }
    let ruleset = Ruleset { rules, lists: BTreeMap::new() };
    if !ruleset.is_within(&RulesetLimits::default()) {
        return Err(RulesError::TooMuch);
    }
    Ok(ruleset)
}

fn read_rule(rule: Node<'_, '_>) -> Result<Rule, RulesError> {
    let id = rule.attribute("id").filter(|id| !id.is_empty()).ok_or(RulesError::Id)?;
    let conditions = child(rule, COMMON_POLICY, "conditions");
    let conditions = conditions.map(|all| elements(all).map(read_condition).collect()).transpose()?;
    let actions = child(rule, COMMON_POLICY, "actions");
    let handling = actions.and_then(|actions| {
        child(actions, PRES_RULES, "sub-handling")
            .or_else(|| child(actions, IM_RULES, "im-handling"))
            .or_else(|| child(actions, DIALOG_RULES, "sub-handling"))
    });
    let transformations = child(rule, COMMON_POLICY, "transformations");
    let says_something = |all: &Node<'_, '_>| elements(*all).next().is_some();
    Ok(Rule {
        id: id.into(),
        conditions: conditions.unwrap_or_default(),
        handling: handling.map(read_handling).transpose()?,
        view: transformations.filter(says_something).map(read_view).transpose()?,
    })
}

fn read_handling(element: Node<'_, '_>) -> Result<Handling, RulesError> {
    match text_of(element).as_str() {
        "block" => Ok(Handling::Block),
        "confirm" => Ok(Handling::Confirm),
        "polite-block" => Ok(Handling::PoliteBlock),
        "allow" => Ok(Handling::Allow),
        other => Err(RulesError::Handling(other.to_owned())),
    }
}

fn read_condition(element: Node<'_, '_>) -> Result<Condition, RulesError> {
    let name = element.tag_name();
    Ok(match (name.namespace(), name.name()) {
        (Some(COMMON_POLICY), "identity") => Condition::Identity(read_identities(element)),
        (Some(COMMON_POLICY), "sphere") => Condition::Sphere(read_spheres(element)),
        (Some(COMMON_POLICY), "validity") => Condition::Validity(read_periods(element)?),
        (Some(OMA), "external-list") => Condition::ExternalList(read_anchors(element)),
        (Some(OMA), "other-identity") => Condition::OtherIdentity,
        (Some(OMA), "anonymous-request") => Condition::AnonymousRequest,
        _ => Condition::Unknown,
    })
}

fn read_identities(identity: Node<'_, '_>) -> Vec<Identity> {
    // The old shape has exceptions beside the domains that they are of.
    let outer: Vec<_> = children(identity, COMMON_POLICY, "except").collect();
    let read = |element: Node<'_, '_>| {
        if element.tag_name().namespace() != Some(COMMON_POLICY) {
            return None;
        }
        match element.tag_name().name() {
            "one" => Some(Identity::One(read_entity(element.attribute("id")?))),
            "id" => Some(Identity::One(read_entity(&text_of(element)))),
            "many" | "domain" => Some(read_many(element, &outer)),
            _ => None,
        }
    };
    elements(identity).filter_map(read).collect()
}

fn read_many(element: Node<'_, '_>, outer: &[Node<'_, '_>]) -> Identity {
    let domain = element.attribute("domain").map(read_domain);
    let inner = children(element, COMMON_POLICY, "except");
    let except = inner.chain(outer.iter().copied()).filter_map(|except| {
        let entity = except.attribute("id").or_else(|| except.attribute("entity"));
        match (entity, except.attribute("domain")) {
            (Some(entity), _) => Some(Except::One(read_entity_of(entity, domain.as_deref()))),
            (None, Some(domain)) => Some(Except::Domain(read_domain(domain))),
            (None, None) => None,
        }
    });
    let except = except.collect();
    Identity::Many { domain, except }
}

/// A domain as addresses have it; one that is none stays as it is, and names nobody.
fn read_domain(text: &str) -> CompactString {
    let text = unescape(text.trim());
    Address::domain_only(&text).map_or_else(|_| (&*text).into(), |address| address.domain().into())
}

/// Whom a name or URI of a rule or list means, however it is escaped, with or without scheme.
#[must_use]
pub fn read_entity(text: &str) -> Entity {
    read_entity_of(text, None)
}

/// A name without domain is one of `domain`, where there is one.
fn read_entity_of(text: &str, domain: Option<&str>) -> Entity {
    let text = unescape(text.trim());
    let bare = match text.split_once(':') {
        Some((scheme, rest)) if is_account_scheme(scheme) => rest,
        Some(_) => return Entity::Other(text.into()),
        None => &*text,
    };
    let bare = bare.split([';', '?']).next().unwrap_or_default();
    let address = match (bare.contains('@'), domain) {
        (true, _) => Address::parse(bare),
        (false, Some(domain)) => Address::new(bare, domain),
        (false, None) => return Entity::Other(text.into()),
    };
    address.map_or_else(|_| Entity::Other((&*text).into()), Entity::Account)
}

/// The schemes in which the address of an account is written. An account is the same in all.
fn is_account_scheme(scheme: &str) -> bool {
    ["sip", "sips", "pres", "im", "xmpp"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

fn read_spheres(element: Node<'_, '_>) -> Vec<CompactString> {
    let value = element.attribute("value").unwrap_or_default();
    value.split_whitespace().map(|word| word.to_lowercase().into()).collect()
}

fn read_periods(element: Node<'_, '_>) -> Result<Vec<Period>, RulesError> {
    let mut periods = Vec::new();
    let mut all = elements(element).filter(|child| child.tag_name().namespace() == Some(COMMON_POLICY));
    while let Some(from) = all.next() {
        let until = all.next().filter(|until| until.tag_name().name() == "until");
        let (Some(until), "from") = (until, from.tag_name().name()) else { return Err(RulesError::Validity) };
        let time = |element| Timestamp::parse_rfc3339(&text_of(element)).ok_or(RulesError::Validity);
        periods.push(Period { from: time(from)?, until: time(until)? });
    }
    Ok(periods)
}

fn read_anchors(element: Node<'_, '_>) -> Vec<CompactString> {
    let anchor = |entry: Node<'_, '_>| entry.attribute("anc").map(|anchor| unescape(anchor.trim()).into());
    children(element, OMA, "entry").filter_map(anchor).collect()
}

fn read_view(transformations: Node<'_, '_>) -> Result<View, RulesError> {
    let mut view = View::nothing();
    for element in elements(transformations) {
        if element.tag_name().namespace() == Some(PRES_RULES) {
            view = view.or(read_permission(element)?);
        }
    }
    Ok(view)
}

/// What one `provide-*` grants.
fn read_permission(element: Node<'_, '_>) -> Result<View, RulesError> {
    let mut view = View::nothing();
    match element.tag_name().name() {
        "provide-services" => view.services = read_granted(element),
        "provide-persons" => view.persons = read_granted(element),
        "provide-devices" => view.devices = read_granted(element),
        "provide-all-attributes" => view.attributes = Attributes::All,
        "provide-user-input" => {
            let user_input = match text_of(element).as_str() {
                "false" => UserInput::False,
                "bare" => UserInput::Bare,
                "thresholds" => UserInput::Thresholds,
                "full" => UserInput::Full,
                other => return Err(RulesError::Permission(other.to_owned())),
            };
            view.attributes = some_attributes(None, user_input, None);
        }
        "provide-unknown-attribute" => {
            let name = element.attribute("ns").zip(element.attribute("name"));
            if read_bool(element)? {
                let name = name.map(|(space, name)| (space.into(), name.into()));
                view.attributes = some_attributes(None, UserInput::False, name);
            }
        }
        name => {
            let attribute =
                ATTRIBUTES.iter().find(|(word, _)| *word == name).map(|(_, attribute)| *attribute);
            if attribute.is_some() && read_bool(element)? {
                view.attributes = some_attributes(attribute, UserInput::False, None);
            }
        }
    }
    Ok(view)
}

fn some_attributes(
    named: Option<Attribute>,
    user_input: UserInput,
    unknown: Option<(CompactString, CompactString)>,
) -> Attributes {
    Attributes::Some {
        named: named.into_iter().collect(),
        user_input,
        unknown: unknown.into_iter().collect(),
    }
}

fn read_granted(element: Node<'_, '_>) -> Granted {
    let mut selectors = BTreeSet::new();
    for one in elements(element).filter(|one| one.tag_name().namespace() == Some(PRES_RULES)) {
        let text = || CompactString::from(text_of(one));
        selectors.insert(match one.tag_name().name() {
            "all-services" | "all-persons" | "all-devices" => return Granted::All,
            "class" => Selector::Class(text()),
            "occurrence-id" => Selector::Occurrence(text()),
            "deviceID" => Selector::DeviceId(text()),
            "service-uri" => Selector::ServiceUri(text()),
            "service-uri-scheme" => Selector::ServiceScheme(text()),
            _ => continue,
        });
    }
    Granted::Some(selectors)
}

fn read_bool(element: Node<'_, '_>) -> Result<bool, RulesError> {
    let text = text_of(element);
    xml::parse_boolean(&text).ok_or(RulesError::Permission(text))
}

fn elements<'a, 'text>(parent: Node<'a, 'text>) -> impl Iterator<Item = Node<'a, 'text>> {
    parent.children().filter(Node::is_element)
}

/// The permissions of one attribute each (RFC 5025 §3.3.2).
pub(super) const ATTRIBUTES: &[(&str, Attribute)] = &[
    ("provide-activities", Attribute::Activities),
    ("provide-class", Attribute::Class),
    ("provide-deviceID", Attribute::DeviceId),
    ("provide-mood", Attribute::Mood),
    ("provide-note", Attribute::Note),
    ("provide-place-is", Attribute::PlaceIs),
    ("provide-place-type", Attribute::PlaceType),
    ("provide-privacy", Attribute::Privacy),
    ("provide-relationship", Attribute::Relationship),
    ("provide-sphere", Attribute::Sphere),
    ("provide-status-icon", Attribute::StatusIcon),
    ("provide-time-offset", Attribute::TimeOffset),
];
