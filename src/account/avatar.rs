//! The owner's one picture, whichever way it comes: set at once, or brought first and put on afterwards
//! (XEP-0084 §3). Its hash goes with the presence of every session (XEP-0398).

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;

use super::{
    Effect, Reply, ReplyTo,
    personal::{AvatarState, Fetch, Personal, Purpose},
    picture::describe,
    state::{Account, Effects},
};
use crate::{
    presence::Standing,
    signal::{Address, Avatar, AvatarHash, AvatarMark, Piece, Reason, Reject, Timestamp},
    storage::{Pick, Shelved, Write},
};

impl Personal {
    /// A picture's bytes: worn, or brought.
    pub(super) fn take_over_picture(&mut self, it: &Shelved) {
        self.staged.extend(AvatarHash::parse(&it.name));
    }

    /// What is known of the picture that is worn.
    pub(super) fn take_over_worn(&mut self, it: &Shelved) {
        let Some(content) = &it.content else { return };
        self.avatar = match postcard::from_bytes::<Option<Avatar>>(content) {
            Ok(Some(avatar)) => AvatarState::Has(Arc::new(avatar)),
            Ok(None) => AvatarState::Without,
            Err(_) => AvatarState::Never,
        };
    }
}

impl Account {
    /// The owner's picture.
    pub(super) fn avatar(&self) -> Option<&Arc<Avatar>> {
        match &self.personal.as_ref()?.avatar {
            AvatarState::Has(avatar) => Some(avatar),
            AvatarState::Never | AvatarState::Without => None,
        }
    }

    /// What presence says of it.
    pub(super) fn avatar_mark(&self) -> AvatarMark {
        match self.personal.as_ref().map(|personal| &personal.avatar) {
            Some(AvatarState::Has(avatar)) => AvatarMark::Has(avatar.hash),
            Some(AvatarState::Without) => AvatarMark::Without,
            Some(AvatarState::Never) | None => AvatarMark::Untold,
        }
    }

    /// What there is to tell of it; `None` where she never had one.
    pub(super) fn avatar_piece(&self) -> Option<Piece> {
        (self.avatar_mark() != AvatarMark::Untold).then(|| Piece::Avatar(self.avatar().cloned()))
    }

    /// Whether everybody may see it.
    pub(super) fn is_avatar_open(&self) -> bool {
        self.personal.as_ref().is_none_or(|personal| !personal.is_avatar_private)
    }

    /// Whether somebody may see it.
    pub(super) fn may_see_avatar(&self, somebody: &Address) -> bool {
        self.is_avatar_open() || self.standing(somebody) == Standing::Allowed
    }

    /// The owner says whether everybody may see it.
    pub(super) fn show_avatar(&mut self, is_open: bool, effects: &mut Effects) -> Reply {
        if is_open != self.is_avatar_open() {
            self.personal.get_or_insert_default().is_avatar_private = !is_open;
            effects.push(Effect::Store(match is_open {
                true => Write::Unshelve { shelf: OWN.into(), name: Some(PRIVATE.into()) },
                false => Write::Shelve(Shelved::new(OWN.into(), PRIVATE.into(), 0, Bytes::new())),
            }));
        }
        Reply::Done
    }

    /// Has a picture read, which `reply` gets.
    pub(super) fn fetch_picture(
        &self,
        hash: Option<AvatarHash>,
        reply: &ReplyTo,
        effects: &mut Effects,
    ) -> Result<(), Reject> {
        let avatar = self.avatar().filter(|avatar| hash.is_none_or(|hash| hash == avatar.hash));
        let avatar = Arc::clone(avatar.ok_or(Reason::NotFound)?);
        let hash = avatar.hash;
        effects.push(fetch(hash, Purpose::Picture { avatar, reply: reply.clone() }));
        Ok(())
    }

    /// The owner puts this picture on, or takes off the one she has.
    pub(super) fn set_avatar(
        &mut self,
        picture: Option<&Bytes>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let Some(bytes) = picture else {
            self.wear(None, now, effects);
            return Ok(Reply::Avatar(None));
        };
        let avatar = self.check_picture(bytes, now)?;
        self.bring(avatar.hash, bytes, effects);
        self.wear(Some(Arc::new(avatar)), now, effects);
        Ok(Reply::Avatar(self.avatar().cloned()))
    }

    /// The owner brings a picture that she will perhaps put on.
    pub(super) fn stage_avatar(
        &mut self,
        bytes: &Bytes,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let avatar = self.check_picture(bytes, now)?;
        self.bring(avatar.hash, bytes, effects);
        let worn = self.avatar().map(|avatar| avatar.hash);
        let Some(personal) = &mut self.personal else { return Ok(Reply::Done) };
        while personal.staged.len() > STAGED {
            let Some(oldest) = personal.staged.iter().position(|hash| Some(*hash) != worn) else { break };
            let oldest = personal.staged.remove(oldest);
            effects.push(Effect::Store(forget(oldest)));
        }
        Ok(Reply::Done)
    }

    /// The owner puts on a picture that she brought before. Replies when it was read.
    pub(super) fn put_on_staged(
        &mut self,
        hash: AvatarHash,
        reply: Option<ReplyTo>,
        effects: &mut Effects,
    ) -> Result<(), Reject> {
        let is_there = self.personal.as_ref().is_some_and(|personal| personal.staged.contains(&hash));
        if !is_there {
            return Err(Reason::NotFound.into());
        }
        effects.push(fetch(hash, Purpose::PutOn { hash, reply }));
        Ok(())
    }

    /// The picture was read: it is worn from now on.
    pub(super) fn put_on(
        &mut self,
        hash: AvatarHash,
        bytes: &Bytes,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let is_there = self.personal.as_ref().is_some_and(|personal| personal.staged.contains(&hash));
        if !is_there {
            return Err(Reason::NotFound.into());
        }
        if self.avatar().is_none_or(|worn| worn.hash != hash) {
            let avatar = self.check_picture(bytes, now)?;
            self.wear(Some(Arc::new(avatar)), now, effects);
        }
        Ok(Reply::Avatar(self.avatar().cloned()))
    }

    /// Whether the account would take a picture.
    pub(super) fn accept_picture(&self, bytes: &Bytes) -> Result<(), Reject> {
        self.check_picture(bytes, Timestamp(0)).map(drop)
    }

    fn check_picture(&self, bytes: &Bytes, now: Timestamp) -> Result<Avatar, Reject> {
        if bytes.len() > self.shared.limits.avatar_bytes {
            return Err(Reject::with_text(Reason::TooLarge, "the picture is too large"));
        }
        let refusal = || Reject::with_text(Reason::UnsupportedMedia, "a picture is PNG, JPEG, GIF or WebP");
        describe(bytes, now).ok_or_else(refusal)
    }

    fn bring(&mut self, hash: AvatarHash, bytes: &Bytes, effects: &mut Effects) {
        let personal = self.personal.get_or_insert_default();
        if personal.staged.contains(&hash) {
            return;
        }
        personal.staged.push(hash);
        let name = CompactString::from(hash.to_string());
        let it = Shelved::new(PICTURES.into(), name, 0, bytes.clone());
        effects.push(Effect::Store(Write::Shelve(it)));
    }

    /// Wears this picture, keeps no other, and tells everybody who may know.
    fn wear(&mut self, avatar: Option<Arc<Avatar>>, now: Timestamp, effects: &mut Effects) {
        if avatar.is_none() && self.avatar().is_none() {
            return;
        }
        let hash = avatar.as_ref().map(|avatar| avatar.hash);
        if hash.is_some() && hash == self.avatar().map(|worn| worn.hash) {
            return;
        }
        let personal = self.personal.get_or_insert_default();
        for other in personal.staged.extract_if(.., |staged| Some(*staged) != hash) {
            effects.push(Effect::Store(forget(other)));
        }
        let content = postcard::to_allocvec(&avatar).unwrap_or_default();
        personal.avatar = avatar.map_or(AvatarState::Without, AvatarState::Has);
        self.documents.touch();
        let it = Shelved::new(OWN.into(), WORN.into(), 0, content.into());
        effects.push(Effect::Store(Write::Shelve(it)));
        self.spread_all(now, effects);
        if let Some(piece) = self.avatar_piece() {
            self.tell_personal(piece, None, now, effects);
        }
    }
}

fn fetch(hash: AvatarHash, purpose: Purpose) -> Effect {
    let pick = Pick::Named(vec![hash.to_string().into()]);
    Effect::Fetch(Box::new(Fetch { shelf: PICTURES.into(), pick, purpose }))
}

fn forget(hash: AvatarHash) -> Write {
    Write::Unshelve { shelf: PICTURES.into(), name: Some(hash.to_string().into()) }
}

/// Pictures by their hashes.
pub(super) const PICTURES: &str = "pictures";
/// What there is one of per account.
pub(super) const OWN: &str = "own";
/// What is known of the picture that is worn.
pub(super) const WORN: &str = "avatar";
/// There where the picture is not for everybody.
pub(super) const PRIVATE: &str = "avatar-private";
/// Most pictures that are kept.
const STAGED: usize = 4;
