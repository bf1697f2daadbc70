//! Contacts, approvals and blocks: what one client does is seen by all others, and nothing else is touched.

use compact_str::CompactString;

use super::*;
use crate::signal::{Contact, ContactEvent, Native};

/// An account, seen as an XCAP client sees it and as any other client does.
pub(super) struct World {
    pub(super) documents: Documents,
    pub(super) accounts: Accounts,
    _store: Store,
    _folder: tempfile::TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (documents, accounts, store) = start(folder.path(), Config::default());
        // Ends with the test's runtime.
        tokio::spawn(documents.clone().keep_in_step());
        Self { documents, accounts, _store: store, _folder: folder }
    }

    pub(super) async fn ask(&self, request: Request) -> Reply {
        self.accounts.ask(&alice(), request).await.unwrap()
    }

    pub(super) async fn get(&self, application: &str) -> Option<String> {
        let id = DocumentId::new(application, "index");
        let found = self.documents.read(&alice(), &id).await.unwrap()?;
        Some(String::from_utf8(found.bytes.to_vec()).unwrap())
    }

    pub(super) async fn put(&self, application: &str, text: &str) {
        let id = DocumentId::new(application, "index");
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let edit = |_: Option<&Document>| Ok::<_, ()>(Change::Put(bytes.clone()));
        self.documents.change(&alice(), &id, edit).await.unwrap();
    }

    pub(super) async fn delete(&self, application: &str) {
        let id = DocumentId::new(application, "index");
        self.documents.change(&alice(), &id, |_| Ok::<_, ()>(Change::Remove)).await.unwrap();
    }

    /// Replaces text of a document, as a client does that knows what it holds.
    pub(super) async fn replace(&self, application: &str, from: &str, to: &str) {
        let text = self.get(application).await.unwrap();
        assert!(text.contains(from), "{from} in {text}");
        self.put(application, &text.replace(from, to)).await;
    }

    pub(super) async fn set(&self, who: &str, name: &str, groups: &[&str]) {
        let name = (!name.is_empty()).then(|| name.into());
        let groups = groups.iter().map(|group| CompactString::from(*group)).collect();
        self.ask(Request::SetContact { address: address(who), name, groups }).await;
    }

    pub(super) async fn say(&self, who: &str, event: ContactEvent) {
        let to = address(who);
        self.ask(Request::Contact { to, event, note: None, native: Native::None, origin_id: None }).await;
    }

    pub(super) async fn contact(&self, who: &str) -> Option<Contact> {
        let Reply::Roster(roster) = self.ask(Request::Roster { since: None }).await else { panic!() };
        roster.contacts.iter().find(|contact| contact.address == address(who)).cloned()
    }

    pub(super) async fn blocked(&self) -> Vec<Address> {
        let Reply::Blocked(blocked) = self.ask(Request::Blocked).await else { panic!() };
        blocked
    }
}

pub(super) fn address(who: &str) -> Address {
    Address::new(who, "example.org").unwrap()
}

/// What Blink puts for one contact whom its owner lets see her and follows, and one who is blocked.
pub(super) const BLINK: &str = concat!(
    "<?xml version='1.0' encoding='UTF-8'?>\n",
    "<rl:resource-lists xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\" ",
    "xmlns:addressbook=\"urn:ag-projects:xml:ns:addressbook\" ",
    "xmlns:sipsimple=\"urn:ag-projects:sipsimple:xml:ns:addressbook\">",
    "<rl:list name=\"oma_buddylist\"/>",
    "<rl:list name=\"oma_grantedcontacts\"><rl:entry uri=\"bob%40example.org\"/></rl:list>",
    "<rl:list name=\"oma_blockedcontacts\"><rl:entry uri=\"mallory%40example.org\"/></rl:list>\n",
    "<rl:list name=\"sipsimple_presence_rls\"><rl:entry uri=\"bob%40example.org\"/></rl:list>",
    "<rl:list name=\"sipsimple_dialog_rls\"/>",
    "<rl:list name=\"sipsimple_addressbook\"><addressbook:contact id=\"cid1\">",
    "<addressbook:name>Bob B</addressbook:name><addressbook:uris default=\"uid1\">",
    "<addressbook:uri id=\"uid1\" uri=\"bob%40example.org\" type=\"SIP\"><sipsimple:attributes>",
    "<sipsimple:attribute name=\"position\" nil=\"true\"/></sipsimple:attributes></addressbook:uri>",
    "</addressbook:uris><addressbook:dialog><addressbook:policy>default</addressbook:policy>",
    "<addressbook:subscribe>false</addressbook:subscribe></addressbook:dialog><addressbook:presence>",
    "<addressbook:policy>allow</addressbook:policy><addressbook:subscribe>true</addressbook:subscribe>",
    "</addressbook:presence><sipsimple:attributes><sipsimple:attribute name=\"preferred_media\">audio",
    "</sipsimple:attribute></sipsimple:attributes></addressbook:contact>\n",
    "<addressbook:group id=\"gid1\"><addressbook:name>Friends</addressbook:name><addressbook:contacts>",
    "<addressbook:contact_id>cid1</addressbook:contact_id></addressbook:contacts></addressbook:group>",
    "<addressbook:policy-element id=\"pid1\" uri=\"mallory%40example.org\">",
    "<addressbook:name>Mallory</addressbook:name><addressbook:dialog>",
    "<addressbook:policy>default</addressbook:policy><addressbook:subscribe>false</addressbook:subscribe>",
    "</addressbook:dialog><addressbook:presence><addressbook:policy>block</addressbook:policy>",
    "<addressbook:subscribe>false</addressbook:subscribe></addressbook:presence>",
    "</addressbook:policy-element></rl:list></rl:resource-lists>",
);

const LISTS: &str = "resource-lists";

#[tokio::test]
async fn address_book_becomes_contacts_and_comes_back_byte_for_byte() {
    let world = World::new();
    assert_eq!(world.get(LISTS).await, None);
    world.put(LISTS, BLINK).await;
    let bob = world.contact("bob").await.unwrap();
    assert_eq!(bob.name.as_deref(), Some("Bob B"));
    assert_eq!(bob.groups.as_slice(), ["Friends"]);
    assert!(bob.ask && bob.approved);
    assert_eq!(world.contact("mallory").await, None);
    assert_eq!(world.blocked().await, [address("mallory")]);
    assert_eq!(world.get(LISTS).await.as_deref(), Some(BLINK));
    assert_eq!(world.get("rls-services").await, None);
}

#[tokio::test]
async fn contact_of_another_client_appears_in_all_lists_at_once() {
    let world = World::new();
    world.put(LISTS, BLINK).await;
    world.set("carol", "Carol & Co", &["Friends", "Work"]).await;
    world.say("carol", ContactEvent::Subscribe).await;
    world.say("carol", ContactEvent::Subscribed).await;
    let text = world.get(LISTS).await.unwrap();
    let entry = "<rl:entry uri=\"carol%40example.org\"/>";
    let contact = text.split_once("<addressbook:contact id=\"c").filter(|_| text.contains("Carol &amp; Co"));
    assert_eq!(text.matches(entry).count(), 2, "{text}");
    assert!(contact.is_some(), "{text}");
    assert_eq!(text.matches("uri=\"carol%40example.org\" type=\"SIP\"").count(), 1, "{text}");
    assert_eq!(text.matches("<addressbook:policy>allow<").count(), 2, "{text}");
    assert!(text.contains("<addressbook:name>Work</addressbook:name>"), "{text}");
    assert_eq!(text.matches("<addressbook:contact_id>c").count(), 3, "{text}");
    // What nobody spoke of is as it was.
    for part in [
        "<?xml version='1.0' encoding='UTF-8'?>\n",
        "<sipsimple:attribute name=\"position\" nil=\"true\"/>",
        "<rl:list name=\"oma_buddylist\"/>",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // And it comes to rest.
    assert_eq!(world.get(LISTS).await.unwrap(), text);
    let told = world.contact("carol").await.unwrap();
    assert_eq!((told.name.as_deref(), told.groups.len()), (Some("Carol & Co"), 2));
}

#[tokio::test]
async fn what_another_client_takes_away_is_gone_from_all_lists() {
    let world = World::new();
    world.put(LISTS, BLINK).await;
    world.ask(Request::RemoveContact { address: address("bob") }).await;
    let text = world.get(LISTS).await.unwrap();
    assert!(!text.contains("bob%40") && !text.contains("cid1"), "{text}");
    assert!(text.contains("mallory%40example.org") && text.contains("Friends"), "{text}");
    world.ask(Request::Unblock(None)).await;
    let text = world.get(LISTS).await.unwrap();
    assert!(text.contains("<rl:list name=\"oma_blockedcontacts\"></rl:list>"), "{text}");
    assert!(!text.contains(">block<"), "{text}");
}

#[tokio::test]
async fn name_groups_and_block_of_another_client_are_edited_in_place() {
    let world = World::new();
    world.put(LISTS, BLINK).await;
    world.set("bob", "Robert", &[]).await;
    let text = world.get(LISTS).await.unwrap();
    let expect =
        BLINK.replace("Bob B", "Robert").replace("<addressbook:contact_id>cid1</addressbook:contact_id>", "");
    assert_eq!(text, expect);
    world.ask(Request::Block(vec![address("bob")])).await;
    let text = world.get(LISTS).await.unwrap();
    let expect = expect
        .replace(">allow<", ">block<")
        .replace(
            "<rl:list name=\"oma_grantedcontacts\"><rl:entry uri=\"bob%40example.org\"/></rl:list>",
            "<rl:list name=\"oma_grantedcontacts\"></rl:list>",
        )
        .replace(
            "<rl:entry uri=\"mallory%40example.org\"/>",
            "<rl:entry uri=\"mallory%40example.org\"/><rl:entry uri=\"bob%40example.org\"/>",
        );
    assert_eq!(text, expect);
    assert!(world.contact("bob").await.unwrap().approved);
}

#[tokio::test]
async fn client_blocks_unblocks_and_removes_a_contact() {
    let world = World::new();
    world.put(LISTS, BLINK).await;
    let blocked = BLINK.replace(">allow<", ">block<").replace(
        "<rl:list name=\"oma_grantedcontacts\"><rl:entry uri=\"bob%40example.org\"/></rl:list>",
        "<rl:list name=\"oma_grantedcontacts\"/>",
    );
    let blocked = blocked.replace(
        "<rl:entry uri=\"mallory%40example.org\"/>",
        "<rl:entry uri=\"mallory%40example.org\"/><rl:entry uri=\"bob%40example.org\"/>",
    );
    world.put(LISTS, &blocked).await;
    assert_eq!(world.blocked().await, [address("bob"), address("mallory")]);
    // A block hides what was granted and does not take it back.
    assert!(world.contact("bob").await.unwrap().approved);
    assert_eq!(world.get(LISTS).await.as_deref(), Some(blocked.as_str()));
    world.put(LISTS, BLINK).await;
    assert_eq!(world.blocked().await, [address("mallory")]);
    assert_eq!(world.get(LISTS).await.as_deref(), Some(BLINK));
    let revoked = BLINK.replace(">allow<", ">default<").replace(
        "<rl:list name=\"oma_grantedcontacts\"><rl:entry uri=\"bob%40example.org\"/></rl:list>",
        "<rl:list name=\"oma_grantedcontacts\"/>",
    );
    world.put(LISTS, &revoked).await;
    assert!(!world.contact("bob").await.unwrap().approved);
    let start = revoked.find("<addressbook:contact id").unwrap();
    let end = revoked.find("</addressbook:contact>\n").unwrap() + "</addressbook:contact>\n".len();
    let without = format!("{}{}", &revoked[..start], &revoked[end..])
        .replace("<addressbook:contact_id>cid1</addressbook:contact_id>", "")
        .replace("<rl:entry uri=\"bob%40example.org\"/>", "");
    world.put(LISTS, &without).await;
    assert_eq!(world.contact("bob").await, None);
    assert_eq!(world.get(LISTS).await.as_deref(), Some(without.as_str()));
}

#[tokio::test]
async fn account_with_contacts_shows_them_to_a_client_that_never_put_a_document() {
    let world = World::new();
    world.set("bob", "", &["Friends"]).await;
    world.say("bob", ContactEvent::Subscribe).await;
    world.say("carol", ContactEvent::Subscribed).await;
    world.ask(Request::Block(vec![address("mallory")])).await;
    let text = world.get(LISTS).await.unwrap();
    for (part, count) in [
        ("<list name=\"oma_buddylist\"><entry uri=\"bob%40example.org\"/></list>", 1),
        ("<list name=\"oma_grantedcontacts\"><entry uri=\"carol%40example.org\"/></list>", 1),
        ("<list name=\"oma_blockedcontacts\"><entry uri=\"mallory%40example.org\"/></list>", 1),
        ("<list name=\"sipsimple_presence_rls\"><entry uri=\"bob%40example.org\"/></list>", 1),
        ("<ab:policy-element ", 2),
        ("<ab:contact ", 1),
        ("<ab:name>bob</ab:name>", 1),
        ("<ab:name>Friends</ab:name>", 1),
    ] {
        assert_eq!(text.matches(part).count(), count, "{part} in {text}");
    }
    let services = world.get("rls-services").await.unwrap();
    assert!(services.contains("uri=\"sip:alice+presence@example.org\""), "{services}");
    assert!(services.contains("list%5B@name=%22sipsimple_presence_rls%22%5D"), "{services}");
    assert_eq!(world.get("pres-rules").await, None);
    // A client that renames by what it read changes no more than that.
    world.replace(LISTS, "<ab:name>bob</ab:name>", "<ab:name>Bob</ab:name>").await;
    let bob = world.contact("bob").await.unwrap();
    assert_eq!((bob.name.as_deref(), bob.groups.as_slice()), (Some("Bob"), ["Friends".into()].as_slice()));
}

#[tokio::test]
async fn plain_lists_are_contacts_with_groups() {
    let world = World::new();
    let lists = concat!(
        "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n",
        "  <!-- mine --><list name=\"friends\">\n    <display-name>My Friends</display-name>\n",
        "    <entry uri=\"sip:bob@example.org\"><display-name>Bob</display-name></entry>\n",
        "    <entry uri=\"tel:+4930123\"/>\n  </list>\n</resource-lists>\n",
    );
    world.put(LISTS, lists).await;
    let bob = world.contact("bob").await.unwrap();
    assert_eq!((bob.name.as_deref(), bob.groups.as_slice()), (Some("Bob"), ["My Friends".into()].as_slice()));
    assert!(!bob.ask);
    assert_eq!(world.get(LISTS).await.as_deref(), Some(lists));
    world.set("carol", "Carol", &["My Friends"]).await;
    let text = world.get(LISTS).await.unwrap();
    let carol = "<entry uri=\"sip:carol@example.org\"><display-name>Carol</display-name></entry>";
    assert_eq!(
        text,
        lists.replace("<entry uri=\"tel:+4930123\"/>", &format!("<entry uri=\"tel:+4930123\"/>{carol}"))
    );
    world.set("dave", "", &["Work"]).await;
    world.set("eve", "", &[]).await;
    let text = world.get(LISTS).await.unwrap();
    assert!(
        text.contains(
            "<list name=\"Work\"><display-name>Work</display-name><entry uri=\"sip:dave@example.org\"/>"
        ),
        "{text}"
    );
    assert!(
        text.contains("<list name=\"oma_buddylist\"><entry uri=\"sip:eve@example.org\"/></list>"),
        "{text}"
    );
    world.replace(LISTS, "<entry uri=\"sip:dave@example.org\"/>", "").await;
    assert_eq!(world.contact("dave").await, None);
    world.ask(Request::RemoveContact { address: address("bob") }).await;
    let text = world.get(LISTS).await.unwrap();
    assert!(
        !text.contains("bob") && text.contains("<!-- mine -->") && text.contains("tel:+4930123"),
        "{text}"
    );
    world.delete(LISTS).await;
    assert_eq!(world.get(LISTS).await, None);
    assert!(world.contact("carol").await.is_none() && world.contact("eve").await.is_none());
}

#[tokio::test]
async fn contact_with_several_addresses_is_left_alone_while_one_of_them_agrees() {
    let world = World::new();
    let two = BLINK.replace(
        "</addressbook:uris>",
        "<addressbook:uri id=\"uid2\" uri=\"sip:bobby@example.org\" type=\"SIP\"/>\
         <addressbook:uri id=\"uid3\" uri=\"%2B4930123\" type=\"Mobile\"/></addressbook:uris>",
    );
    let two = two.replace(
        "<rl:entry uri=\"bob%40example.org\"/></rl:list>",
        "<rl:entry uri=\"bob%40example.org\"/><rl:entry uri=\"bobby%40example.org\"/></rl:list>",
    );
    world.put(LISTS, &two).await;
    assert_eq!(world.contact("bobby").await.unwrap().name.as_deref(), Some("Bob B"));
    assert_eq!(world.get(LISTS).await.as_deref(), Some(two.as_str()));
    world.set("bobby", "Bobby", &["Friends"]).await;
    assert_eq!(world.get(LISTS).await.as_deref(), Some(two.as_str()));
    world.ask(Request::RemoveContact { address: address("bob") }).await;
    let text = world.get(LISTS).await.unwrap();
    assert!(text.contains("<addressbook:name>Bobby</addressbook:name>"), "{text}");
    assert!(
        !text.contains("bob%40") && text.contains("%2B4930123") && text.contains("default=\"uid2\""),
        "{text}"
    );
    assert_eq!(world.get(LISTS).await.as_deref(), Some(text.as_str()));
}

#[tokio::test]
async fn document_that_is_no_list_is_refused_and_takes_nobody_away() {
    let world = World::new();
    world.put(LISTS, BLINK).await;
    for broken in ["<other/>", "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">"] {
        let id = DocumentId::new(LISTS, "index");
        let edit = |_: Option<&Document>| Ok::<_, ()>(Change::Put(Bytes::from_static(broken.as_bytes())));
        let outcome = world.documents.change(&alice(), &id, edit).await;
        let is_refused = |fault: &ChangeError<()>| matches!(fault, ChangeError::Rejected(reject) if reject.reason == Reason::NotAcceptable);
        assert!(outcome.as_ref().is_err_and(is_refused), "{outcome:?}");
    }
    assert!(world.contact("bob").await.is_some());
    assert_eq!(world.get(LISTS).await.as_deref(), Some(BLINK));
}

#[tokio::test]
async fn thousands_of_contacts_are_written_in_good_time() {
    let world = World::new();
    for number in 0..2000 {
        world
            .accounts
            .ask(
                &alice(),
                Request::SetContact {
                    address: address(&format!("friend{number}")),
                    name: Some("Friend".into()),
                    groups: [format!("Group {}", number % 7).into()].into_iter().collect(),
                },
            )
            .await
            .unwrap();
    }
    let begun = std::time::Instant::now();
    let text = world.get(LISTS).await.unwrap();
    assert_eq!(text.matches("<ab:contact ").count(), 2000);
    // Far below this without optimisation; a quadratic writer is far above.
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(world.get(LISTS).await.unwrap(), text);
}
