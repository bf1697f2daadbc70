//! How people of other domains want to be shown: the picture that they say they wear, and the name that they gave
//! themselves. Their servers tell it while they are there; it is kept, so that they have a face while they are not.
//!
//! Bounded: of contacts, and of those who ask to become one, alone. Pictures are known by their hashes here; whoever
//! carries what is for other domains has their bytes.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    Effect, Event,
    announce::tell,
    personal::Personal,
    session::SessionKind,
    state::{Account, Effects},
};
use crate::{
    signal::{Address, AvatarHash, AvatarMark, FaceNews, FacePart, SessionId, Wanted},
    storage::{Shelved, Write},
};

/// How somebody of another domain wants to be shown, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Face {
    pub of: Address,
    pub picture: Option<AvatarHash>,
    /// The name that he gave himself.
    pub nickname: Option<CompactString>,
}

/// All that are known.
pub(super) type Faces = BTreeMap<Address, Looks>;

/// A face without whose it is; its record on its shelf.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Looks {
    picture: Option<AvatarHash>,
    nickname: Option<CompactString>,
}

impl Looks {
    fn of(&self, of: &Address) -> Face {
        Face { of: of.clone(), picture: self.picture, nickname: self.nickname.clone() }
    }
}

impl Personal {
    /// Takes over what was read with the account.
    pub(super) fn take_over_face(&mut self, it: &Shelved) {
        let looks = it.content.as_ref().and_then(|content| postcard::from_bytes(content).ok());
        if let (Ok(of), Some(looks)) = (Address::parse(&it.name), looks) {
            self.faces.insert(of, looks);
        }
    }
}

impl Account {
    /// Another server tells how one of its people wants to be shown.
    pub(super) fn handle_face(&mut self, news: &FaceNews, effects: &mut Effects) {
        if !self.is_blocked(&news.from) {
            self.note_face(&news.from, &news.part, effects);
        }
    }

    /// Presence says something of a picture.
    pub(super) fn note_mark(&mut self, of: &Address, mark: AvatarMark, effects: &mut Effects) {
        match mark {
            AvatarMark::Untold => {}
            AvatarMark::Without => self.note_face(of, &FacePart::Picture(None), effects),
            AvatarMark::Has(hash) => self.note_face(of, &FacePart::Picture(Some(hash)), effects),
        }
    }

    fn note_face(&mut self, of: &Address, part: &FacePart, effects: &mut Effects) {
        if !self.is_abroad(of) || !self.may_have_face(of) {
            return;
        }
        let known = self.looks(of);
        let mut looks = known.cloned().unwrap_or_default();
        match part {
            FacePart::Picture(picture) => looks.picture = *picture,
            FacePart::Nickname(nickname) => looks.nickname.clone_from(nickname),
        }
        if known.is_some_and(|known| *known == looks) || (known.is_none() && looks == Looks::default()) {
            return;
        }
        let content = postcard::to_allocvec(&looks).unwrap_or_default();
        let it = Shelved::new(FACES.into(), of.as_str().into(), 0, content.into());
        effects.push(Effect::Store(Write::Shelve(it)));
        let pages = self.endpoints.ids(|endpoint| endpoint.spec.kind == SessionKind::Page);
        tell(pages, Event::Face(Box::new(looks.of(of))), effects);
        self.personal.get_or_insert_default().faces.insert(of.clone(), looks);
        self.show_follows(of, effects);
    }

    /// Forgets the face of who is neither a contact nor wants to become one.
    pub(super) fn review_face(&mut self, of: &Address, effects: &mut Effects) {
        if self.may_have_face(of) {
            return;
        }
        let forgotten = self.personal.as_mut().and_then(|personal| personal.faces.remove(of));
        if forgotten.is_some() {
            let name = Some(of.as_str().into());
            effects.push(Effect::Store(Write::Unshelve { shelf: FACES.into(), name }));
        }
    }

    fn may_have_face(&self, of: &Address) -> bool {
        self.roster.find(of).is_some() || self.requests.contains_key(of)
    }

    fn looks(&self, of: &Address) -> Option<&Looks> {
        self.personal.as_ref()?.faces.get(of)
    }

    /// The picture that somebody of another domain wears.
    pub(super) fn picture_abroad(&self, of: &Address) -> Option<AvatarHash> {
        self.looks(of)?.picture
    }

    /// Whose picture is asked for, is asked for the one that he says he wears: that one may be at hand.
    pub(super) fn name_picture(&self, of: &Address, wanted: Wanted) -> Wanted {
        match wanted {
            Wanted::Picture { hash: None } => Wanted::Picture { hash: self.picture_abroad(of) },
            wanted => wanted,
        }
    }

    /// Shows a page everybody's face.
    pub(super) fn show_faces(&self, session: SessionId, effects: &mut Effects) {
        let is_page =
            self.endpoints.find(session).is_some_and(|endpoint| endpoint.spec.kind == SessionKind::Page);
        let faces = self.personal.iter().filter(|_| is_page).flat_map(|personal| &personal.faces);
        for (of, looks) in faces {
            effects.push(Effect::Tell { session, event: Event::Face(Box::new(looks.of(of))) });
        }
    }
}

/// Faces by the addresses of their owners.
pub(super) const FACES: &str = "faces";
