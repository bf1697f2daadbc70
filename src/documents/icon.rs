//! The owner's icon (OMA Presence Content) and the account's picture are one: what a document with an icon
//! means for the account, and whether it shows the picture that the account has.

use bytes::Bytes;
use compact_str::CompactString;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{
    Document,
    application::read_icon,
    step::All,
    tree::{Tree, TreeLimits},
};
use crate::{
    account::{FactChange, Facts},
    formats::{hex, percent},
    signal::{Address, AvatarHash, DocumentId},
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
    let Some(document) = documents.get(&ICON) else {
        return Ok(worn(facts).map(|_| FactChange::Avatar(None)));
    };
    if Some(document.picture().ok_or(NoPicture)?) == worn(facts) {
        return Ok(None);
    }
    let picture = picture(&document.bytes).ok_or(NoPicture)?;
    Ok(Some(FactChange::Avatar(Some(picture))))
}

/// What has to become of the document so that it shows the account's picture.
pub(super) fn wanted(facts: &Facts, documents: &All) -> Wanted {
    let shown = documents.get(&ICON).map(Document::picture);
    match (worn(facts), shown) {
        (None, None) => Wanted::Same,
        (None, Some(_)) => Wanted::Nothing,
        (Some(worn), Some(Some(shown))) if worn == shown => Wanted::Same,
        (Some(worn), _) => Wanted::Picture(worn),
    }
}

/// What opens one picture to everybody who was told its URL, also where it is not for everybody: who may see the
/// owner is told the URL, and phones fetch pictures without credentials (COMPAT(Blink)). The key of a picture
/// is of no use for the owner's next one.
#[derive(Clone, Copy)]
pub struct IconKeys([u8; 32]);

impl IconKeys {
    /// The keys that come of this secret of the server.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// Where the picture `hash` of an account is found, below the URI under which documents are served. The
    /// fragment tells one picture from the next. COMPAT(Blink): the form is the one that it publishes itself.
    #[must_use]
    pub fn url(&self, root: &str, account: &Address, hash: AvatarHash) -> String {
        let root = root.trim_end_matches('/');
        let user = percent::encode_path(&account.with_ascii_domain());
        let key = hex::print(&self.of(account, hash));
        format!("{root}/{}/users/sip:{user}/{}?{KEY}{key}#blink-icon{hash}", ICON.application, ICON.name)
    }

    /// Whether the query of a URL has the key of the picture `hash` of an account.
    #[must_use]
    pub fn open(&self, account: &Address, hash: AvatarHash, query: &str) -> bool {
        let given = query.strip_prefix(KEY).and_then(hex::parse::<KEY_BYTES>);
        given.is_some_and(|given| given.ct_eq(&self.of(account, hash)).into())
    }

    fn of(&self, account: &Address, hash: AvatarHash) -> [u8; KEY_BYTES] {
        let mut keyed = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length is fine");
        keyed.update(account.as_str().as_bytes());
        // No address has an octet that is zero, so nothing of one can count as the other.
        keyed.update(&[0]);
        keyed.update(hash.to_string().as_bytes());
        let digest: [u8; 32] = keyed.finalize().into_bytes().into();
        let mut key = [0; KEY_BYTES];
        key.iter_mut().zip(digest).for_each(|(key, digest)| *key = digest);
        key
    }
}

/// What a URL's query begins with before the key.
const KEY: &str = "key=";
/// So much of the digest cannot be guessed.
const KEY_BYTES: usize = 16;

fn worn(facts: &Facts) -> Option<AvatarHash> {
    facts.avatar.as_ref().map(|avatar| avatar.hash)
}

/// The picture that a document has.
pub(super) fn picture(document: &[u8]) -> Option<Bytes> {
    let tree = Tree::parse(document, &TreeLimits::default()).ok()?;
    read_icon(&tree).ok().map(|icon| icon.data.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_one_picture_of_one_account() {
        let keys = IconKeys::new([7; 32]);
        let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|text| Address::parse(text).unwrap());
        let [first, second] = [b"1", b"2"].map(|bytes| AvatarHash::of(bytes));
        let url = keys.url("https://example.org/x/", &alice, first);
        let (place, rest) = url.split_once('?').unwrap();
        let application = "org.openmobilealliance.pres-content";
        assert_eq!(
            place,
            format!("https://example.org/x/{application}/users/sip:alice@example.org/oma_status-icon/index")
        );
        let (query, fragment) = rest.split_once('#').unwrap();
        assert_eq!(fragment, format!("blink-icon{first}"));
        assert!(keys.open(&alice, first, query));
        assert!(!keys.open(&alice, second, query), "the next picture");
        assert!(!keys.open(&bob, first, query), "somebody else's");
        assert!(!IconKeys::new([8; 32]).open(&alice, first, query), "another server's");
        for wrong in ["", "key=", "key=00", &query[4..], &query[..35], &format!("{query}0"), "xmlns(a=b)"] {
            assert!(!keys.open(&alice, first, wrong), "{wrong}");
        }
    }
}
