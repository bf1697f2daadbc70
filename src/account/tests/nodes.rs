//! Personal nodes.

use super::*;
use crate::{
    account::SessionChange,
    signal::{Access, Extract, Item, NodeChange, NodeName, NodeOptions, Topic, Wanted},
};

fn node() -> NodeName {
    NodeName::parse("urn:n").expect("a name")
}

fn id(text: &str) -> ItemId {
    ItemId::parse(text).expect("an id")
}

fn item(name: &str, payload: &str) -> Item {
    Item { id: id(name), payload: payload.to_owned().into() }
}

fn change(world: &mut World, name: &str, change: NodeChange) -> Result<Reply, Reason> {
    world.ask(name, None, Request::ChangeNode { node: node(), change }).map_err(|reject| reject.reason)
}

fn publish_with(
    world: &mut World,
    name: &str,
    items: &[Item],
    options: NodeOptions,
) -> Result<Reply, Reason> {
    change(world, name, NodeChange::Publish { items: items.to_vec(), options })
}

fn publish(world: &mut World, name: &str, items: &[Item]) {
    publish_with(world, name, items, NodeOptions::default()).expect("it is published");
}

fn of_access(access: Access) -> NodeOptions {
    NodeOptions { access: Some(access), most_items: Some(3), ..NodeOptions::default() }
}

/// What `asker` reads of the node of `of`.
fn read(world: &mut World, asker: &str, of: &str, extract: Extract) -> Result<Vec<String>, Reason> {
    let wanted = Wanted::Node { node: node(), extract };
    match world.ask(asker, None, Request::Enquire { of: address(of), wanted }) {
        Ok(Reply::Items(items)) => Ok(items
            .iter()
            .map(|item| format!("{}={}", item.id, String::from_utf8_lossy(&item.payload)))
            .collect()),
        Ok(other) => panic!("{other:?}"),
        Err(reject) => Err(reject.reason),
    }
}

fn following(world: &mut World, name: &str) -> SessionId {
    let session = world.client(name, "one");
    let change = SessionChange::Follows(Arc::from([Topic::Node(node())]));
    world.input(name, Input::Change { session, change });
    world.forget();
    session
}

#[test]
fn access_decides_who_reads_and_who_is_told() {
    let contacts = [Access::Groups(vec!["Friends".into()]), Access::Owner, Access::Presence, Access::Open];
    let denied = Err(Reason::NotAuthenticated);
    for (access, friend, contact, stranger) in [
        (contacts[3].clone(), Ok(()), Ok(()), Ok(())),
        (contacts[2].clone(), Ok(()), Ok(()), denied),
        (contacts[0].clone(), Ok(()), Err(Reason::Forbidden), Err(Reason::Forbidden)),
        (contacts[1].clone(), Err(Reason::Forbidden), Err(Reason::Forbidden), Err(Reason::Forbidden)),
    ] {
        let mut world = World::of(&["alice", "friend", "contact", "stranger"]);
        world.befriend("alice", "friend");
        world.befriend("alice", "contact");
        let groups = ["Friends".into()].into_iter().collect();
        let set = Request::SetContact { address: address("friend"), name: None, groups };
        world.ask("alice", None, set).unwrap();
        let own = following(&mut world, "alice");
        let others = [("friend", friend), ("contact", contact), ("stranger", stranger)]
            .map(|(name, expect)| (name, following(&mut world, name), expect));
        publish_with(&mut world, "alice", &[item("a", "1")], of_access(access.clone())).unwrap();
        let told = vec!["urn:n of alice@example.org: a=1".to_owned()];
        assert_eq!(world.heard(own), told);
        for (name, session, expect) in others {
            // Strangers are not told even of what they may read.
            let hears = expect.is_ok() && name != "stranger";
            assert_eq!(world.heard(session), if hears { told.clone() } else { vec![] }, "{access:?} {name}");
            let found = read(&mut world, name, "alice", Extract::Last(None));
            assert_eq!(found, expect.map(|()| vec!["a=1".to_owned()]), "{access:?} {name}");
        }
    }
}

#[test]
fn items_are_replaced_ordered_trimmed_and_retracted() {
    let mut world = World::of(&["alice"]);
    let own = following(&mut world, "alice");
    let options = of_access(Access::Owner);
    for (name, payload) in [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4"), ("d", "5")] {
        publish_with(&mut world, "alice", &[item(name, payload)], options.clone()).unwrap();
    }
    let all = |world: &mut World| read(world, "alice", "alice", Extract::Last(None)).unwrap();
    assert_eq!(all(&mut world), ["c=3", "a=4", "d=5"]);
    assert_eq!(read(&mut world, "alice", "alice", Extract::Last(Some(1))).unwrap(), ["d=5"]);
    let named = Extract::Named(vec![id("a"), id("x")]);
    assert_eq!(read(&mut world, "alice", "alice", named).unwrap(), ["a=4"]);
    world.forget();
    let retract =
        |ids: &[&str]| NodeChange::Retract { ids: ids.iter().map(|it| id(it)).collect(), tells: true };
    assert_eq!(change(&mut world, "alice", retract(&["x"])), Err(Reason::NotFound));
    change(&mut world, "alice", retract(&["a"])).unwrap();
    assert_eq!(world.heard(own), ["urn:n of alice@example.org: retracted a"]);
    assert_eq!(all(&mut world), ["c=3", "d=5"]);
    change(&mut world, "alice", NodeChange::Purge).unwrap();
    assert_eq!(all(&mut world), Vec::<String>::new());
    change(&mut world, "alice", NodeChange::Delete).unwrap();
    assert_eq!(read(&mut world, "alice", "alice", Extract::Last(None)), Err(Reason::NotFound));
    assert_eq!(world.shelves[&address("alice")], []);
}

#[test]
fn a_node_that_is_otherwise_refuses_what_is_published() {
    let mut world = World::of(&["alice"]);
    publish_with(&mut world, "alice", &[item("a", "1")], of_access(Access::Owner)).unwrap();
    let outcome = publish_with(&mut world, "alice", &[item("a", "2")], of_access(Access::Open));
    assert_eq!(outcome, Err(Reason::Conflict));
    assert_eq!(
        change(&mut world, "alice", NodeChange::Create(NodeOptions::default())),
        Err(Reason::Conflict)
    );
    change(&mut world, "alice", NodeChange::Configure(of_access(Access::Open))).unwrap();
    publish_with(&mut world, "alice", &[item("a", "2")], of_access(Access::Open)).unwrap();
}

#[test]
fn the_last_item_is_told_to_who_comes_later() {
    let mut world = World::of(&["alice", "bob"]);
    let large = "x".repeat(AT_HAND + 1);
    for payload in ["small", &large] {
        publish(&mut world, "alice", &[item("a", payload)]);
        for reads_anew in [false, true] {
            if reads_anew {
                world.reload("alice");
            }
            let session = world.client("alice", "later");
            world.forget();
            let change = SessionChange::Follows(Arc::from([Topic::Node(node())]));
            world.input("alice", Input::Change { session, change });
            assert_eq!(world.heard(session), [format!("urn:n of alice@example.org: a={payload}")]);
            world.announce("alice", session, Availability::Offline, 0);
            world.forget();
            world.announce("alice", session, Availability::Online, 0);
            let heard = world.heard(session);
            assert!(heard.contains(&format!("urn:n of alice@example.org: a={payload}")), "{heard:?}");
            world.close("alice", session);
        }
    }
    let bob = following(&mut world, "bob");
    world.say("bob", "alice", ContactEvent::Subscribe);
    assert!(!world.heard(bob).iter().any(|words| words.starts_with("urn:n")));
    world.say("alice", "bob", ContactEvent::Subscribed);
    let heard = world.heard(bob);
    assert!(heard.iter().any(|words| words.starts_with("urn:n of alice@example.org: a=")), "{heard:?}");
}

#[test]
fn who_subscribes_is_told_without_following() {
    let mut world = World::of(&["alice", "carol"]);
    publish_with(&mut world, "alice", &[item("a", "1")], of_access(Access::Open)).unwrap();
    let carol = world.client("carol", "one");
    world.forget();
    let subscribe = |world: &mut World, on| {
        let wanted = Wanted::Subscription { node: node(), on, is_bare: true };
        let request = Request::Enquire { of: address("alice"), wanted };
        world.ask("carol", Some(carol), request).map(|_| ()).map_err(|reject| reject.reason)
    };
    assert_eq!(subscribe(&mut world, false), Err(Reason::Unexpected));
    assert_eq!(subscribe(&mut world, true), Ok(()));
    assert!(world.heard(carol).contains(&"urn:n of alice@example.org: a=1".to_owned()));
    world.reload("alice");
    publish(&mut world, "alice", &[item("b", "2")]);
    assert!(world.heard(carol).contains(&"urn:n of alice@example.org: b=2".to_owned()));
    assert_eq!(subscribe(&mut world, false), Ok(()));
    world.forget();
    publish(&mut world, "alice", &[item("c", "3")]);
    assert_eq!(world.heard(carol), Vec::<String>::new());
}

#[test]
fn nodes_are_bounded() {
    let limits = Config { nodes: 1, node_bytes: 1 << 16, ..Config::default() };
    let mut world = World::with(&["alice"], limits);
    publish(&mut world, "alice", &[item("a", "1")]);
    let other = Request::ChangeNode {
        node: NodeName::parse("urn:other").unwrap(),
        change: NodeChange::Create(NodeOptions::default()),
    };
    let refused = world.ask("alice", None, other).map_err(|reject| reject.reason);
    assert_eq!(refused, Err(Reason::PolicyViolation));
    let large = item("b", &"x".repeat(1 << 16));
    let refused = publish_with(&mut world, "alice", &[large], NodeOptions::default());
    assert_eq!(refused, Err(Reason::PolicyViolation));
}

#[test]
fn what_is_not_to_be_archived_is_not_and_carries_no_mark() {
    use crate::account::{ArchiveChoice, ArchiveDefault};
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.befriend("alice", "bob");
    for (default, always, never, expect) in [
        (ArchiveDefault::Always, vec![], vec![], (true, true)),
        (ArchiveDefault::Contacts, vec![], vec![], (true, false)),
        (ArchiveDefault::Never, vec![address("carol")], vec![], (false, true)),
        (ArchiveDefault::Always, vec![], vec![address("bob")], (false, true)),
    ] {
        world.prefer("alice", |preferences| {
            preferences.archive = ArchiveChoice { default, always, never, keep_days: None }
        });
        for (name, expect) in [("bob", expect.0), ("carol", expect.1)] {
            world.forget();
            world.send("alice", name, "out").ok();
            world.send(name, "alice", "in").ok();
            assert_eq!(world.archived("alice"), if expect { 2 } else { 0 }, "{default:?} {name}");
            assert_eq!(world.archived(name), 2);
        }
    }
}
