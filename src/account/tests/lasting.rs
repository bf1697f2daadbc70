//! What automated rules have begun, restored; what the operator forbids them; and what a change of many contacts
//! costs whoever follows them.

use super::*;
use crate::{
    account::{Amendment, FactChange, Trial, TriedVerdict},
    signal::{ActionName, Automation, SignalKind, Stage},
    storage::LateMessage,
};

fn rules(text: &str) -> Automation {
    serde_json::from_str(&format!(r#"{{"rules":{text}}}"#)).expect("rules")
}

const FORK: &str = r#"[{"id":"r","stage":{"after":30},"then":[{"fork":"carol@example.org"}]}]"#;

impl World {
    /// The account as the store would give it after a crash: with its rules, and what was stored of late messages.
    fn restart_bob(&mut self, rules: &Automation) {
        let mut late: Vec<LateMessage> = Vec::new();
        for (owner, write) in &self.stored {
            match write {
                Write::Late(new) if *owner == address("bob") => late.push((**new).clone()),
                Write::LateRemoved { message, delay } => {
                    late.retain(|one| one.message.id != *message || one.delay != *delay);
                }
                _ => {}
            }
        }
        let shared = Arc::clone(&self.account("bob").shared);
        let record = AccountRecord { automation: Some(rules.clone()), late, ..record(&address("bob")) };
        self.accounts.insert(address("bob"), Account::new(record, shared, self.now));
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
        self.input("bob", Input::Tick);
    }

    fn received(&self, name: &str) -> usize {
        let is_his = |(owner, write): &&(Address, Write)| {
            *owner == address(name) && matches!(write, Write::Archive { outgoing: false, .. })
        };
        self.stored.iter().filter(is_his).count()
    }
}

#[test]
fn late_rules_are_asked_once_though_the_account_was_read_anew() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let rules = rules(FORK);
    world.ask("bob", None, Request::SetAutomation(Some(Box::new(rules.clone())))).unwrap();
    world.send("alice", "bob", "hi").unwrap();
    world.restart_bob(&rules);
    assert!(world.account("bob").is_to_be_woken() && !world.account("bob").is_idle());
    world.wait(29);
    assert_eq!(world.received("carol"), 0);
    assert!(world.wakes.iter().any(|(who, at)| *who == address("bob") && at.0 <= world.now.0 + 1000));
    world.wait(2);
    assert_eq!(world.received("carol"), 1);
    world.restart_bob(&rules);
    world.wait(60);
    assert_eq!(world.received("carol"), 1, "it is over");
    // What was answered need not be asked about after a restart either.
    world.send("alice", "bob", "hi again").unwrap();
    world.send("bob", "alice", "yes?").unwrap();
    world.restart_bob(&rules);
    world.wait(60);
    assert_eq!(world.received("carol"), 1);
}

#[test]
fn forbidden_actions_are_refused_and_not_followed() {
    let here = [("example.org".to_owned(), vec![ActionName::Webhook])].into_iter().collect();
    let limits = Config {
        forbidden_actions: vec![ActionName::Fork],
        domain_forbidden_actions: here,
        ..Config::default()
    };
    let mut world = World::with(&["alice", "bob", "carol", "dave@example.net"], limits);
    let webhook = r#"[{"id":"r","then":["quiet",{"webhook":{"url":"https://x/"}}]}]"#;
    let set = |world: &mut World, name: &str, text: &str| {
        world.ask(name, None, Request::SetAutomation(Some(Box::new(rules(text)))))
    };
    for (name, text, refused) in [
        ("bob", FORK, Some("rule \"r\": the action fork is forbidden here")),
        ("bob", webhook, Some("rule \"r\": the action webhook is forbidden here")),
        ("dave@example.net", FORK, Some("rule \"r\": the action fork is forbidden here")),
        ("dave@example.net", webhook, None),
        ("bob", r#"[{"id":"r","then":["quiet"]}]"#, None),
    ] {
        let outcome = set(&mut world, name, text);
        let words =
            outcome.as_ref().err().map(|reject| (reject.reason, reject.text.as_deref().unwrap_or_default()));
        assert_eq!(words, refused.map(|text| (Reason::Forbidden, text)), "{name}: {text}");
    }
    // Rules from before they were forbidden.
    let old = rules(r#"[{"id":"r","then":[{"fork":"carol@example.org"}]},{"id":"s","then":["quiet"]}]"#);
    world.restart_bob(&old);
    world.send("alice", "bob", "hi").unwrap();
    assert_eq!(world.received("carol"), 0);
    let trial = Trial {
        kind: SignalKind::Message,
        from: address("alice"),
        text: None,
        stage: Stage::AtOnce,
        at: None,
        presence: Vec::new(),
        rules: None,
    };
    let Ok(Reply::Tried(tried)) = world.ask("bob", None, Request::Try(Box::new(trial))) else { panic!() };
    let verdicts: Vec<_> = tried.rules.iter().map(|rule| rule.verdict).collect();
    assert_eq!(verdicts, [TriedVerdict::Forbidden, TriedVerdict::Holds]);
}

#[test]
fn readers_of_the_contacts_are_shown_a_change_of_many_once() {
    let mut world = World::of(&["alice"]);
    let reader = world.read_contacts("alice", "alice");
    let Ok(Reply::Facts(Some(facts))) = world.ask("alice", None, Request::Facts { unless: None }) else {
        panic!("no facts")
    };
    let contact = |number: usize| FactChange::Contact {
        address: address(&format!("friend{number}")),
        name: None,
        groups: Default::default(),
    };
    let amendment = Amendment {
        revision: facts.revision,
        documents: Vec::new(),
        facts: (0..1000).map(contact).collect(),
    };
    world.ask("alice", None, Request::Amend(Box::new(amendment))).unwrap();
    let shown = &world.shown[&reader];
    assert_eq!(shown.len(), 2, "once at the beginning, once for all of them");
    let Some(Some(Shown::Contacts(contacts))) = shown.last().map(|(_, shown)| shown) else { panic!() };
    assert_eq!(contacts.len(), 1000);
}
