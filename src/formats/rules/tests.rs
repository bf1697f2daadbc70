//! Documents of the RFCs, of clients, and broken ones.

use std::collections::BTreeSet;

use super::*;
use crate::{
    formats::xml::Limits,
    signal::{
        Address, Attribute, Condition, Entity, Except, Granted, Handling, Identity, Ruleset, Selector,
        Timestamp, UserInput, View,
    },
};

fn read(text: &str) -> Result<Ruleset, RulesError> {
    parse(text.as_bytes(), &Limits::default())
}

/// The rules within a ruleset, with the usual prefixes.
fn rules(inner: &str) -> Result<Ruleset, RulesError> {
    read(&format!(
        "<cp:ruleset xmlns:cp='{COMMON_POLICY}' xmlns:pr='{PRES_RULES}' xmlns:ocp='{OMA}'>{inner}</cp:ruleset>"
    ))
}

fn conditions(inner: &str) -> Vec<Condition> {
    let rule = format!("<cp:rule id='1'><cp:conditions>{inner}</cp:conditions></cp:rule>");
    rules(&rule).unwrap().rules.remove(0).conditions
}

fn account(text: &str) -> Entity {
    Entity::Account(Address::parse(text).unwrap())
}

#[test]
fn identities_are_read_in_every_shape() {
    let one = |entity| vec![Condition::Identity(vec![Identity::One(entity)])];
    for (id, entity) in [
        ("sip:Alice@Example.com", account("alice@example.com")),
        ("sip%3Aalice%40example.com", account("alice@example.com")),
        ("bob%40example.com", account("bob@example.com")),
        ("sips:bob@example.com;user=phone?x=y", account("bob@example.com")),
        ("tel:+1-212-555-1234", Entity::Other("tel:+1-212-555-1234".into())),
        ("mailto:bob@example.net", Entity::Other("mailto:bob@example.net".into())),
        ("nobody", Entity::Other("nobody".into())),
    ] {
        let inner = format!("<cp:identity><cp:one id='{id}'/></cp:identity>");
        assert_eq!(conditions(&inner), one(entity), "{id}");
    }
    let many = "<cp:identity><cp:many domain='Example.com'><cp:except id='sip:eve@example.com'/>
        <cp:except domain='example.org'/></cp:many><cp:many/></cp:identity>";
    let except = vec![Except::One(account("eve@example.com")), Except::Domain("example.org".into())];
    let expected = [
        Identity::Many { domain: Some("example.com".into()), except },
        Identity::Many { domain: None, except: Vec::new() },
    ];
    assert_eq!(conditions(many), [Condition::Identity(expected.to_vec())]);
}

/// The example of SER's presence module, which is older than RFC 4745.
#[test]
fn old_shape_is_read() {
    let ruleset = read(&format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="no" ?>
        <ruleset xmlns="{COMMON_POLICY}" xmlns:pr="{PRES_RULES}">
        <rule id="blacklist"><conditions><identity><id>sip:smith@test-domain.com</id></identity></conditions>
        <actions><pr:sub-handling>block</pr:sub-handling></actions><transformations/></rule>
        <rule id="whitelist"><conditions><identity><domain domain="test-domain.com"/>
        <except entity="smith"/></identity></conditions>
        <actions><pr:sub-handling>allow</pr:sub-handling></actions><transformations/></rule></ruleset>"#
    ))
    .unwrap();
    let [blacklist, whitelist] = &ruleset.rules[..] else { panic!("{ruleset:?}") };
    let smith = account("smith@test-domain.com");
    assert_eq!(blacklist.conditions, [Condition::Identity(vec![Identity::One(smith.clone())])]);
    assert_eq!((blacklist.handling, &blacklist.view), (Some(Handling::Block), &None));
    let domain = Some("test-domain.com".into());
    let many = Identity::Many { domain, except: vec![Except::One(smith)] };
    assert_eq!(whitelist.conditions, [Condition::Identity(vec![many])]);
    assert_eq!(whitelist.handling, Some(Handling::Allow));
}

#[test]
fn other_conditions_are_read() {
    let anchor = "https://x/users/sip:a@b/index/~~/resource-lists/list[@name=\"oma_blockedcontacts\"]";
    let inner = "<cp:sphere value='Work  home'/>
        <cp:validity><cp:from>2003-08-15T10:20:00.000-05:00</cp:from>
        <cp:until>2003-09-15T10:20:00Z</cp:until></cp:validity>
        <ocp:external-list><ocp:entry anc='https%3A//x/users/sip%3Aa%40b/index/~~/resource-lists/\
        list%5B%40name%3D%22oma_blockedcontacts%22%5D'/></ocp:external-list>
        <ocp:other-identity/><ocp:anonymous-request/><cp:new/><x xmlns='urn:x'/>";
    let all = conditions(inner);
    assert_eq!(all[0], Condition::Sphere(vec!["work".into(), "home".into()]));
    let Condition::Validity(periods) = &all[1] else { panic!("{all:?}") };
    assert_eq!(periods[0].from, Timestamp::parse_rfc3339("2003-08-15T15:20:00Z").unwrap());
    assert_eq!(all[2], Condition::ExternalList(vec![anchor.into()]));
    let rest =
        [Condition::OtherIdentity, Condition::AnonymousRequest, Condition::Unknown, Condition::Unknown];
    assert_eq!(all[3..], rest);
}

fn view(inner: &str) -> Option<View> {
    let rule = format!("<cp:rule id='1'><cp:transformations>{inner}</cp:transformations></cp:rule>");
    rules(&rule).unwrap().rules.remove(0).view
}

#[test]
fn permissions_are_read() {
    assert_eq!(view(" <!-- nothing --> "), None);
    // RFC 5025 §4, the example.
    let found = view(
        "<pr:provide-services><pr:service-uri-scheme>sip</pr:service-uri-scheme>
         <pr:service-uri-scheme>mailto</pr:service-uri-scheme></pr:provide-services>
         <pr:provide-persons><pr:all-persons/></pr:provide-persons>
         <pr:provide-activities>true</pr:provide-activities><pr:provide-mood>false</pr:provide-mood>
         <pr:provide-user-input>bare</pr:provide-user-input>
         <pr:provide-unknown-attribute ns='urn:vendor-specific:foo-namespace' name='foo'>true\
         </pr:provide-unknown-attribute>",
    );
    let found = found.unwrap();
    let schemes = [Selector::ServiceScheme("mailto".into()), Selector::ServiceScheme("sip".into())];
    assert_eq!(found.services, Granted::Some(schemes.into()));
    assert_eq!((&found.persons, &found.devices), (&Granted::All, &Granted::Some(BTreeSet::new())));
    assert!(found.attributes.has(Attribute::Activities) && !found.attributes.has(Attribute::Mood));
    assert_eq!(found.attributes.user_input(), UserInput::Bare);
    assert!(found.attributes.has_unknown("urn:vendor-specific:foo-namespace", "foo"));
    assert_eq!(view("<x xmlns='urn:x'/>"), Some(View::nothing()));
}

#[test]
fn what_is_written_is_read_back() {
    let ruleset = rules(
        "<cp:rule id='a&amp;b'><cp:conditions><cp:identity><cp:one id='sip:a%2525b@x'/>
         <cp:many domain='x'><cp:except id='tel:1'/></cp:many><cp:many><cp:except domain='y'/></cp:many>
         </cp:identity><cp:sphere value='work home'/><cp:validity><cp:from>2003-08-15T10:20:00Z</cp:from>
         <cp:until>2003-09-15T10:20:00Z</cp:until></cp:validity><ocp:external-list>
         <ocp:entry anc='https://x/~~/a%255b'/></ocp:external-list><ocp:other-identity/>
         <ocp:anonymous-request/><x xmlns='urn:x'/></cp:conditions><cp:actions>
         <pr:sub-handling>polite-block</pr:sub-handling></cp:actions><cp:transformations>
         <pr:provide-services><pr:class>a</pr:class><pr:occurrence-id>b</pr:occurrence-id>
         <pr:service-uri>sip:c@d</pr:service-uri></pr:provide-services><pr:provide-devices>
         <pr:deviceID>urn:e</pr:deviceID></pr:provide-devices><pr:provide-note>1</pr:provide-note>
         <pr:provide-user-input>full</pr:provide-user-input></cp:transformations></cp:rule>
         <cp:rule id='2'><cp:transformations><pr:provide-all-attributes/></cp:transformations></cp:rule>
         <cp:rule id='3'/>",
    )
    .unwrap();
    let printed = print(&ruleset);
    assert_eq!(read(&printed).as_ref(), Ok(&ruleset), "{printed}");
}

#[test]
fn what_is_wrong_is_said() {
    for (inner, error) in [
        ("<cp:rule/>", RulesError::Id),
        ("<cp:rule id='1'/><cp:rule id='1'/>", RulesError::Id),
        (
            "<cp:rule id='1'><cp:actions><pr:sub-handling>yes</pr:sub-handling></cp:actions></cp:rule>",
            RulesError::Handling("yes".into()),
        ),
        (
            "<cp:rule id='1'><cp:conditions><cp:validity><cp:from>2003-08-15T10:20:00Z</cp:from>
             </cp:validity></cp:conditions></cp:rule>",
            RulesError::Validity,
        ),
        (
            "<cp:rule id='1'><cp:transformations><pr:provide-note>maybe</pr:provide-note>
             </cp:transformations></cp:rule>",
            RulesError::Permission("maybe".into()),
        ),
    ] {
        assert_eq!(rules(inner), Err(error), "{inner}");
    }
    assert_eq!(read("<ruleset/>"), Err(RulesError::Root));
    assert!(matches!(read("<ruleset>"), Err(RulesError::Xml(_))));
    let many: String = (0..1001).map(|id| format!("<cp:rule id='{id}'/>")).collect();
    assert_eq!(rules(&many), Err(RulesError::TooMuch));
}
