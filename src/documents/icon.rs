//! The owner's icon (OMA Presence Content) and the account's picture are one: what a document with an icon
//! means for the account, and whether it shows the picture that the account has.

use bytes::Bytes;
use compact_str::CompactString;

use super::{
    application::read_icon,
    step::All,
    tree::{Tree, TreeLimits},
};
use crate::{
    account::{FactChange, Facts},
    signal::{AvatarHash, DocumentId},
};

/// The one document of an account with an icon.
pub(super) const ICON: DocumentId = DocumentId {
    application: CompactString::const_new("org.openmobilealliance.pres-content"),
    name: CompactString::const_new("oma_status-icon/index"),
};

/// The document has none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the document has no picture")]
pub(super) struct NoPicture;

/// What has to become of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It is as it should be.
    Same,
    /// There is to be none.
    Nothing,
    /// It is to show this picture.
    Picture(AvatarHash),
}

/// What documents mean for the account's picture; nothing where that is what it has.
///
/// # Errors
/// There is a document without picture.
pub(super) fn taken(facts: &Facts, documents: &All) -> Result<Option<FactChange>, NoPicture> {
    let picture = match documents.get(&ICON) {
        Some(document) => Some(picture(&document.bytes).ok_or(NoPicture)?),
        None => None,
    };
    let is_known = picture.as_deref().map(AvatarHash::of) == worn(facts);
    Ok((!is_known).then_some(FactChange::Avatar(picture)))
}

/// What has to become of the document so that it shows the account's picture.
pub(super) fn wanted(facts: &Facts, documents: &All) -> Wanted {
    let shown = documents.get(&ICON).map(|document| picture(&document.bytes).as_deref().map(AvatarHash::of));
    match (worn(facts), shown) {
        (None, None) => Wanted::Same,
        (None, Some(_)) => Wanted::Nothing,
        (Some(worn), Some(Some(shown))) if worn == shown => Wanted::Same,
        (Some(worn), _) => Wanted::Picture(worn),
    }
}

fn worn(facts: &Facts) -> Option<AvatarHash> {
    facts.avatar.as_ref().map(|avatar| avatar.hash)
}

fn picture(document: &[u8]) -> Option<Bytes> {
    let tree = Tree::parse(document, &TreeLimits::default()).ok()?;
    read_icon(&tree).ok().map(|icon| icon.data.into())
}
