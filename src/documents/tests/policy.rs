//! Rules and hard state: one policy, whoever writes it and in whatever words.

use super::{
    people::{BLINK, World, address},
    *,
};
use crate::{
    account::{AcceptedSenders, Preferences, PreferencesChange, WatchKind, WatchSpec},
    documents::{Context, Tree, TreeLimits, find_application},
    signal::{Availability, Condition, ContactEvent, Entity, Handling, Presence, Reject, Text},
};

const RULES: &str = "pres-rules";
const LISTS: &str = "resource-lists";

/// Blink's rules, its references with a name of the server that the server does not know.
const BLINK_RULES: &str = concat!(
    "<cp:ruleset xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\" xmlns:pr=\"urn:ietf:params:xml:ns:pres-rules\" ",
    "xmlns:ocp=\"urn:oma:xml:xdm:common-policy\">",
    "<cp:rule id=\"wp_prs_grantedcontacts\"><cp:conditions><ocp:external-list><ocp:entry anc=\"https%3A//xcap.",
    "example.com%3A4443/root/resource-lists/users/sip%3Aalice%40example.org/index/~~/resource-lists/",
    "list%5B%40name%3D%22oma_grantedcontacts%22%5D\"/></ocp:external-list></cp:conditions><cp:actions>",
    "<pr:sub-handling>allow</pr:sub-handling></cp:actions></cp:rule>",
    "<cp:rule id=\"wp_prs_blockedcontacts\"><cp:conditions><ocp:external-list><ocp:entry anc=\"https%3A//xcap.",
    "example.com%3A4443/root/resource-lists/users/sip%3Aalice%40example.org/index/~~/resource-lists/",
    "list%5B%40name%3D%22oma_blockedcontacts%22%5D\"/></ocp:external-list></cp:conditions><cp:actions>",
    "<pr:sub-handling>polite-block</pr:sub-handling></cp:actions></cp:rule>",
    "<cp:rule id=\"wp_prs_unlisted\"><cp:conditions><ocp:other-identity/></cp:conditions><cp:actions>",
    "<pr:sub-handling>confirm</pr:sub-handling></cp:actions></cp:rule>",
    "<cp:rule id=\"wp_prs_allow_own\"><cp:conditions><cp:identity><cp:one id=\"sip%3Aalice%40example.org\"/>",
    "</cp:identity></cp:conditions><cp:actions><pr:sub-handling>allow</pr:sub-handling></cp:actions></cp:rule>",
    "</cp:ruleset>",
);

/// Rules of a client that knows nothing but RFC 5025.
const PLAIN_RULES: &str = concat!(
    "<ruleset xmlns=\"urn:ietf:params:xml:ns:common-policy\" xmlns:pr=\"urn:ietf:params:xml:ns:pres-rules\">\n",
    "  <rule id=\"friends\"><conditions><identity><one id=\"sip:bob@example.org\"/></identity></conditions>\n",
    "    <actions><pr:sub-handling>allow</pr:sub-handling></actions><transformations/></rule>\n",
    "  <rule id=\"foes\"><conditions><identity><one id=\"sip:mallory@example.org\"/></identity></conditions>\n",
    "    <actions><pr:sub-handling>block</pr:sub-handling></actions></rule>\n</ruleset>\n",
);

/// Where a watcher stands, and the watch.
struct Standing(mpsc::UnboundedSender<WatchState>);

impl WatchSink for Standing {
    fn show(&self, _: WatchId, state: WatchState, _: Option<Shown>) {
        // The test may be over.
        let _ = self.0.send(state);
    }
}

async fn standing(world: &World, watcher: &str) -> WatchState {
    let (told, mut tell) = mpsc::unbounded_channel();
    let until = Timestamp(i64::MAX);
    let spec = WatchSpec { watcher: address(watcher), name: None, kind: WatchKind::Presence, until };
    let _watch = world.accounts.watch(&alice(), spec, Arc::new(Standing(told))).unwrap();
    tell.recv().await.unwrap()
}

#[tokio::test]
async fn rules_about_lists_follow_the_account_without_anybody_reading_documents() {
    let world = World::new();
    world.put(LISTS, BLINK).await;
    world.put(RULES, BLINK_RULES).await;
    assert_eq!(world.get(RULES).await.as_deref(), Some(BLINK_RULES));
    assert_eq!(standing(&world, "bob").await, WatchState::Active);
    assert_eq!(standing(&world, "carol").await, WatchState::Pending);
    world.say("bob", ContactEvent::Unsubscribed).await;
    assert_eq!(standing(&world, "bob").await, WatchState::Pending);
    world.say("carol", ContactEvent::Subscribed).await;
    assert_eq!(standing(&world, "carol").await, WatchState::Active);
    assert_eq!(world.get(RULES).await.as_deref(), Some(BLINK_RULES));
    let text = world.get(LISTS).await.unwrap();
    assert!(
        text.contains("oma_grantedcontacts\"><rl:entry uri=\"carol%40example.org\"/></rl:list>"),
        "{text}"
    );
}

#[tokio::test]
async fn rules_about_people_are_approvals_and_blocks() {
    let world = World::new();
    world.put(RULES, PLAIN_RULES).await;
    assert!(world.contact("bob").await.unwrap().approved);
    assert_eq!(world.blocked().await, [address("mallory")]);
    assert_eq!(world.get(RULES).await.as_deref(), Some(PLAIN_RULES));
    assert_eq!(standing(&world, "bob").await, WatchState::Active);
    // The rule says it to his face.
    assert_eq!(standing(&world, "mallory").await, WatchState::Rejected);
    world.say("bob", ContactEvent::Unsubscribed).await;
    assert_eq!(standing(&world, "bob").await, WatchState::Pending);
    world.ask(Request::Unblock(None)).await;
    assert_eq!(standing(&world, "mallory").await, WatchState::Pending);
}

#[tokio::test]
async fn approvals_and_blocks_of_other_clients_appear_in_rules_about_people() {
    let world = World::new();
    world.put(RULES, PLAIN_RULES).await;
    // No lists: they would have the contact.
    world.say("carol", ContactEvent::Subscribed).await;
    world.say("bob", ContactEvent::Unsubscribed).await;
    world.ask(Request::Block(vec![address("eve")])).await;
    let text = world.get(RULES).await.unwrap();
    assert!(!text.contains("bob"), "{text}");
    let facts = text.contains("mallory");
    assert!(facts, "{text}");
    world.ask(Request::Unblock(Some(vec![address("mallory")]))).await;
    let text = world.get(RULES).await.unwrap();
    assert!(!text.contains("mallory"), "{text}");
    assert_eq!(world.get(RULES).await.as_deref(), Some(text.as_str()));
}

#[tokio::test]
async fn rule_about_a_list_of_the_owners_is_asked_with_its_members() {
    let world = World::new();
    let anchor = "http://any.host/xcap-root/resource-lists/users/alice@example.org/index/~~/resource-lists/";
    let lists = format!(
        "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list name=\"team\">\
         <entry uri=\"carol%40example.org\"/><list name=\"inner\"><entry uri=\"sip:dave@example.org\"/></list>\
         <external anchor=\"{anchor}list%5b@name=%22more%22%5d\"/>\
         <entry-ref ref=\"resource-lists/users/sip:alice@example.org/index/~~/resource-lists/\
         list%5b@name=%22more%22%5d/entry%5b1%5d\"/></list>\
         <list name=\"more\"><entry uri=\"sip:eve@example.org\"/>\
         <external anchor=\"{anchor}list%5b@name=%22team%22%5d\"/></list></resource-lists>"
    );
    world.put(LISTS, &lists).await;
    let rules = format!(
        "<ruleset xmlns=\"urn:ietf:params:xml:ns:common-policy\" xmlns:pr=\"urn:ietf:params:xml:ns:pres-rules\" \
         xmlns:ocp=\"urn:oma:xml:xdm:common-policy\"><rule id=\"a\"><conditions><ocp:external-list>\
         <ocp:entry anc=\"{anchor}list%5b@name=%22team%22%5d\"/>\
         <ocp:entry anc=\"http://x/resource-lists/users/sip:bob@example.org/index/~~/resource-lists/list\"/>\
         </ocp:external-list></conditions>\
         <actions><pr:sub-handling>allow</pr:sub-handling></actions></rule></ruleset>"
    );
    world.put(RULES, &rules).await;
    for (who, expect) in [
        ("carol", WatchState::Active),
        ("dave", WatchState::Active),
        ("eve", WatchState::Active),
        ("frank", WatchState::Pending),
    ] {
        assert_eq!(standing(&world, who).await, expect, "{who}");
    }
    // The list is another one: so are the rules.
    world.replace(LISTS, "sip:eve@example.org", "sip:frank@example.org").await;
    assert_eq!(standing(&world, "eve").await, WatchState::Pending);
    assert_eq!(standing(&world, "frank").await, WatchState::Active);
    // Another client takes somebody out of the list, and nobody looks at documents.
    world.ask(Request::RemoveContact { address: address("frank") }).await;
    let gone = async {
        while standing(&world, "frank").await != WatchState::Pending {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), gone).await.unwrap();
    world.delete(RULES).await;
    assert_eq!(standing(&world, "frank").await, WatchState::Pending);
    assert_eq!(world.get(RULES).await, None);
}

#[tokio::test]
async fn rules_that_nobody_can_follow_are_refused() {
    let world = World::new();
    let id = DocumentId::new(RULES, "index");
    let twice = PLAIN_RULES.replace("foes", "friends");
    let edit = |_: Option<&Document>| Ok::<_, ()>(Change::Put(twice.clone().into()));
    let outcome = world.documents.change(&alice(), &id, edit).await;
    let is_refused = |reject: &Reject| reject.reason == Reason::NotAcceptable;
    assert!(matches!(&outcome, Err(ChangeError::Rejected(reject)) if is_refused(reject)), "{outcome:?}");
    assert_eq!(world.get(RULES).await, None);
}

#[tokio::test]
async fn rules_without_document_get_one() {
    let world = World::new();
    let rule = crate::signal::Rule {
        id: "all".into(),
        conditions: vec![Condition::Identity(vec![crate::signal::Identity::One(Entity::Account(address(
            "bob",
        )))])],
        handling: Some(Handling::Allow),
        view: Some(crate::signal::View::everything()),
    };
    let rules = crate::signal::Ruleset { rules: vec![rule], ..Default::default() };
    world.ask(Request::SetRules(Some(Arc::new(rules)))).await;
    let text = world.get(RULES).await.unwrap();
    assert!(text.contains("sip:bob@example.org"), "{text}");
    assert_eq!(world.get(RULES).await.unwrap(), text);
}

#[tokio::test]
async fn offline_status_is_one_whoever_sets_it() {
    let world = World::new();
    let state = "pidf-manipulation";
    let document = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:alice@example.org\">\
                    <tuple id=\"t\"><status><basic>closed</basic></status><note>on holiday</note></tuple></presence>";
    world.put(state, document).await;
    let hard = async || match world.ask(Request::HardState).await {
        Reply::HardState(hard) => hard,
        other => panic!("{other:?}"),
    };
    let said = hard().await.unwrap();
    assert_eq!((said.availability, said.notes[0].text.as_str()), (Availability::Offline, "on holiday"));
    assert_eq!(world.get(state).await.as_deref(), Some(document));
    for availability in [Availability::Offline, Availability::Busy] {
        let notes = [Text::plain("back at 8")].into_iter().collect();
        let presence = Presence { availability, notes, since: Timestamp(1000), ..Presence::default() };
        world.ask(Request::SetHardState(Some(Arc::new(presence)))).await;
        let text = world.get(state).await.unwrap();
        assert!(text.contains("back at 8"), "{text}");
        let said = hard().await.unwrap();
        assert_eq!((said.availability, said.notes[0].text.as_str()), (availability, "back at 8"), "{text}");
        assert_eq!(world.get(state).await.unwrap(), text);
    }
    world.ask(Request::SetHardState(None)).await;
    assert_eq!(world.get(state).await, None);
    world.put(state, document).await;
    world.delete(state).await;
    assert_eq!(hard().await, None);
}

#[tokio::test]
async fn rules_on_who_may_write_are_those_of_their_document() {
    let world = World::new();
    let rules = concat!(
        "<ruleset xmlns=\"urn:ietf:params:xml:ns:common-policy\" xmlns:im=\"urn:iptel:xml:ns:im-rules\">",
        "<rule id=\"foe\"><conditions><identity><one id=\"sip:mallory@example.org\"/></identity></conditions>",
        "<actions><im:im-handling>block</im:im-handling></actions></rule></ruleset>",
    );
    let facts = async || match world.ask(Request::Facts { unless: None }).await {
        Reply::Facts(Some(facts)) => facts,
        other => panic!("{other:?}"),
    };
    world.put("im-rules", rules).await;
    let found = facts().await;
    assert_eq!(found.message_rules.as_ref().unwrap().rules[0].handling, Some(Handling::Block));
    // It is about messages alone.
    assert!(found.blocked.is_empty() && found.rules.is_none());
    world.delete("im-rules").await;
    assert_eq!(facts().await.message_rules, None);
}

/// What the document on messages says besides its frame, and the preference.
async fn senders(world: &World) -> (Option<String>, AcceptedSenders) {
    let text = world.get(MESSAGE_RULES).await;
    match world.ask(Request::Preferences).await {
        Reply::Preferences(preferences) => (text, preferences.accepted_senders),
        other => panic!("{other:?}"),
    }
}

async fn prefer(world: &World, accepted_senders: AcceptedSenders) -> (Option<String>, AcceptedSenders) {
    let Reply::Preferences(was) = world.ask(Request::Preferences).await else { panic!("preferences") };
    let now = Preferences { accepted_senders, ..was.clone() };
    world.ask(Request::SetPreferences(Box::new(PreferencesChange { was, now }))).await;
    senders(world).await
}

#[tokio::test]
async fn who_may_write_is_a_preference_and_a_rule() {
    use AcceptedSenders::{Authenticated, Everybody, Nobody, SameDomain};
    let world = World::new();
    assert_eq!(senders(&world).await, (None, Everybody));
    let (text, _) = prefer(&world, Nobody).await;
    let text = text.unwrap();
    assert!(
        text.contains("id=\"accepted-senders\"><conditions><identity><many></many></identity>"),
        "{text}"
    );
    let (owner, is_taken) = (alice(), |_: &str| false);
    let tree = Tree::parse(&text, &TreeLimits::default()).unwrap();
    let context = Context { owner: &owner, is_taken: &is_taken };
    find_application(MESSAGE_RULES).unwrap().validate(&tree, &context).unwrap();
    // Contacts are accepted all the same: it is none of the account's rules.
    let Reply::Rules(Some(rules)) = world.ask(Request::MessageRules).await else { panic!() };
    assert!(rules.rules.is_empty(), "{rules:?}");

    // An XCAP client says it otherwise, and has a rule of its own.
    let foe = "<rule id=\"foe\"><conditions><identity><one id=\"sip:mallory@example.org\"/></identity></conditions>\
               <actions><i:im-handling xmlns:i=\"urn:iptel:xml:ns:im-rules\">block</i:im-handling></actions></rule>";
    let same = text.replace("<many></many>", "<many><except domain=\"Example.ORG\"/></many>");
    let same = same.replace("</ruleset>", &format!("{foe}<!-- kept --></ruleset>"));
    world.put(MESSAGE_RULES, &same).await;
    assert_eq!(senders(&world).await, (Some(same.clone()), SameDomain));
    // Of this server there is one domain only: both mean the same.
    assert_eq!(prefer(&world, Authenticated).await, (Some(same.clone()), Authenticated));
    let (text, _) = prefer(&world, Everybody).await;
    let text = text.unwrap();
    assert!(!text.contains(ID) && text.contains(foe) && text.contains("<!-- kept -->"), "{text}");
    prefer(&world, SameDomain).await;
    let all = world.get(MESSAGE_RULES).await.unwrap();
    assert!(all.contains("<except domain=\"example.org\"/>") && all.contains(foe), "{all}");
    // Who does not speak of the rule may not know of it; who names it may take it away.
    world.put(MESSAGE_RULES, &text).await;
    let (again, choice) = senders(&world).await;
    assert_eq!((again.as_ref().map(|text| text.contains(ID)), choice), (Some(true), SameDomain), "{again:?}");
    let id = DocumentId::new(MESSAGE_RULES, "index");
    let edited: Arc<Tree> = Tree::parse(&text, &TreeLimits::default()).unwrap().into();
    let edit = |_: Option<&Document>| Ok::<_, ()>(Change::Edit(Arc::clone(&edited)));
    world.documents.change(&alice(), &id, edit).await.unwrap();
    assert_eq!(senders(&world).await, (Some(text), Everybody));
    // A rule of that name and another shape is a rule like any other.
    world.put(MESSAGE_RULES, &all.replace(">block</im-handling>", ">allow</im-handling>")).await;
    assert_eq!(senders(&world).await.1, Everybody);
    let (text, _) = prefer(&world, Nobody).await;
    assert!(text.as_ref().is_some_and(|text| text.contains("\"accepted-senders-1\"")), "{text:?}");
    world.delete(MESSAGE_RULES).await;
    let (text, choice) = senders(&world).await;
    let text = text.unwrap();
    assert!(text.contains("id=\"accepted-senders\"") && !text.contains("foe"), "{text}");
    assert_eq!(choice, Nobody);
    // All that is left can be changed as a whole by whoever knows of it.
    world.put(MESSAGE_RULES, &text.replace(">block<", ">allow<")).await;
    assert_eq!(senders(&world).await.1, Everybody);
}

const MESSAGE_RULES: &str = "im-rules";
const ID: &str = "accepted-senders";
