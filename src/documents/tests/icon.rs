//! The icon of the documents and the account's picture.

use bytes::Bytes;

use super::{alice, start};
use crate::{
    account::{Accounts, Config, Reply, Request},
    documents::{
        Change, ChangeError, Document, Documents, Tree, TreeLimits, icon::ICON, print_icon, read_icon,
    },
    signal::{AvatarHash, Reason, Wanted},
};

fn gif(last: u8) -> Bytes {
    Bytes::from([b"GIF89a\x08\0\x04\0".as_slice(), &[last]].concat())
}

async fn worn(accounts: &Accounts) -> Option<AvatarHash> {
    match accounts.ask(&alice(), Request::Enquire { of: alice(), wanted: Wanted::Avatar }).await {
        Ok(Reply::Avatar(avatar)) => avatar.map(|avatar| avatar.hash),
        other => panic!("{other:?}"),
    }
}

/// The picture that the document shows.
async fn shown(documents: &Documents) -> Option<Vec<u8>> {
    let document = documents.read(&alice(), &ICON).await.unwrap()?;
    let tree = Tree::parse(&document.bytes, &TreeLimits::default()).unwrap();
    Some(read_icon(&tree).unwrap().data)
}

async fn put(documents: &Documents, change: Change) -> Result<Option<Document>, Option<Reason>> {
    let changed = documents.change(&alice(), &ICON, |_| Ok::<_, ()>(change.clone())).await;
    changed.map(|changed| changed.after).map_err(|fault| match fault {
        ChangeError::Rejected(reject) => Some(reject.reason),
        ChangeError::Edit(()) => None,
    })
}

#[tokio::test]
async fn an_icon_is_the_picture_of_the_account_whoever_sets_it() {
    let folder = tempfile::tempdir().unwrap();
    let (documents, accounts, _store) = start(folder.path(), Config::default());
    assert_eq!(shown(&documents).await, None);
    accounts.ask(&alice(), Request::SetAvatar(Some(gif(1)))).await.unwrap();
    assert_eq!(shown(&documents).await, Some(gif(1).to_vec()));
    let first = documents.read(&alice(), &ICON).await.unwrap().unwrap();
    assert_eq!(documents.read(&alice(), &ICON).await.unwrap().unwrap(), first);

    let written =
        format!("<!-- mine -->\n{}", print_icon("image/gif", &gif(2)).split_once("?>\n").unwrap().1);
    let second = put(&documents, Change::Put(written.clone().into())).await.unwrap().unwrap();
    assert_eq!(worn(&accounts).await, Some(AvatarHash::of(&gif(2))));
    let served = documents.read(&alice(), &ICON).await.unwrap().unwrap();
    assert_eq!((served.bytes, served.entry), (Bytes::from(written), second.entry.clone()));
    assert_ne!(second.etag(), first.etag());

    accounts.ask(&alice(), Request::SetAvatar(None)).await.unwrap();
    assert_eq!(shown(&documents).await, None);
    put(&documents, Change::Put(print_icon("image/gif", &gif(3)).into())).await.unwrap();
    assert_eq!(worn(&accounts).await, Some(AvatarHash::of(&gif(3))));
    put(&documents, Change::Remove).await.unwrap();
    assert_eq!(worn(&accounts).await, None);
}

#[tokio::test]
async fn an_icon_that_is_no_picture_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (documents, accounts, _store) = start(folder.path(), Config::default());
    accounts.ask(&alice(), Request::SetAvatar(Some(gif(1)))).await.unwrap();
    let words = print_icon("image/png", b"no picture at all");
    assert_eq!(put(&documents, Change::Put(words.into())).await, Err(Some(Reason::UnsupportedMedia)));
    let nothing = "<content xmlns=\"urn:oma:xml:prs:pres-content\"><data/></content>";
    assert_eq!(put(&documents, Change::Put(nothing.into())).await, Err(Some(Reason::NotAcceptable)));
    assert_eq!(
        (worn(&accounts).await, shown(&documents).await),
        (Some(AvatarHash::of(&gif(1))), Some(gif(1).to_vec()))
    );
}
