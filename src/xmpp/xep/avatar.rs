//! XEP-0084: User Avatar. Its two nodes are another face of the account's one picture: data is a picture
//! brought, metadata says which one is worn.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use minidom::Element;

use super::{Answer, Iq, Module, pubsub, pubsub_owner};
use crate::account::{Reply, Request};
use crate::signal::{
    Access, Avatar, AvatarHash, FacePart, Item, ItemId, NodeConfig, NodeName, NodeOptions, Reason, Wanted,
};
use crate::xmpp::translate::Refusal;

pub(in crate::xmpp) const DATA: &str = "urn:xmpp:avatar:data";
pub(in crate::xmpp) const METADATA: &str = "urn:xmpp:avatar:metadata";

/// XEP-0398: one picture, whatever way it is set.
pub(super) const MODULE: Module =
    Module { account_features: &["urn:xmpp:pep-vcard-conversion:0"], ..Module::NONE };

/// Whether a node is one of the two.
pub(in crate::xmpp) fn is_node(node: &NodeName) -> bool {
    matches!(node.as_str(), DATA | METADATA)
}

/// Somebody asks for the picture, or what is known of it.
pub(super) fn retrieve(iq: &Iq<'_>, node: &NodeName, ids: &[&str]) -> Answer {
    let ids: Vec<AvatarHash> = ids.iter().filter_map(|id| AvatarHash::parse(id)).collect();
    let node = node.clone();
    let wanted = match node.as_str() {
        DATA => Wanted::Picture { hash: ids.first().copied() },
        _ => Wanted::Avatar,
    };
    Answer::then(Request::Enquire { of: iq.account.clone(), wanted }, move |outcome| match outcome {
        Ok(Reply::Picture { avatar, bytes }) => {
            let data = format!("<data xmlns='{DATA}'>{}</data>", BASE64.encode(&bytes));
            Answer::Result(pubsub::print_items(&node, &[item(&avatar, data)]))
        }
        Ok(Reply::Avatar(Some(avatar))) if ids.is_empty() || ids.contains(&avatar.hash) => {
            let metadata = metadata_of(&avatar);
            Answer::Result(pubsub::print_items(&node, &[item(&avatar, metadata)]))
        }
        Ok(Reply::Avatar(_)) => Answer::Refuse(Refusal::ITEM_NOT_FOUND),
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) => Answer::Refuse(pubsub::refusal_of(&reject)),
    })
}

fn item(avatar: &Avatar, payload: String) -> Item {
    let id = ItemId::parse(&avatar.hash.to_string()).expect("a hash is neither empty nor long");
    Item { id, payload: payload.into() }
}

fn metadata_of(avatar: &Avatar) -> String {
    let Avatar { hash, media_type, bytes, size, .. } = avatar;
    let size = size.map_or_else(String::new, |(width, height)| format!(" width='{width}' height='{height}'"));
    format!(
        "<metadata xmlns='{METADATA}'><info id='{hash}' bytes='{bytes}' type='{media_type}'{size}/></metadata>"
    )
}

/// Appends the news that this picture is worn now.
pub(super) fn print_metadata(avatar: Option<&Avatar>, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("<items node='{METADATA}'>").as_bytes());
    let item = match avatar {
        Some(avatar) => format!("<item id='{}'>{}</item>", avatar.hash, metadata_of(avatar)),
        None => format!("<item id='current'><metadata xmlns='{METADATA}'/></item>"),
    };
    out.extend_from_slice(item.as_bytes());
    out.extend_from_slice(b"</items>");
}

/// What an item of somebody's metadata says he wears: the first picture that is with his other items.
pub(in crate::xmpp) fn parse_item(payload: Option<&Element>) -> FacePart {
    let payload = payload.filter(|payload| payload.is("metadata", METADATA));
    FacePart::Picture(payload.and_then(worn_here))
}

/// The first picture that was brought to the data node: others are elsewhere.
fn worn_here(metadata: &Element) -> Option<AvatarHash> {
    let mut infos = metadata.children().filter(|info| info.is("info", METADATA));
    AvatarHash::parse(infos.find(|info| info.attr("url").is_none())?.attr("id")?)
}

/// The picture in an item of somebody's data.
pub(in crate::xmpp) fn parse_data(data: &Element) -> Option<Bytes> {
    let text: String = data.text().split_ascii_whitespace().collect();
    let bytes = BASE64.decode(text).ok().filter(|_| data.is("data", DATA))?;
    Some(bytes.into())
}

/// The owner publishes to one of the two.
pub(super) fn publish(node: &NodeName, items: &[Item], options: &NodeOptions) -> Answer {
    let Some(item) = items.first() else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let payload = std::str::from_utf8(&item.payload).ok().and_then(|text| text.parse::<Element>().ok());
    let Some(payload) = payload else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let request = match node.as_str() {
        DATA => stage(item, &payload),
        _ => wear(&payload),
    };
    let request = match request {
        Ok(request) => request,
        Err(refusal) => return Answer::Refuse(refusal),
    };
    let (node, id, access) = (node.clone(), item.id.clone(), options.access.clone());
    Answer::then(request, move |outcome| match outcome {
        Ok(_) => {
            let published = pubsub::print_published(&node, &[id]);
            show_to(access, published)
        }
        Err(reject) if reject.reason == Reason::UnsupportedMedia => Answer::Refuse(Refusal::NOT_ACCEPTABLE),
        Err(reject) => Answer::Refuse(pubsub::refusal_of(&reject)),
    })
}

/// A picture comes with its hash as the item's id.
fn stage(item: &Item, payload: &Element) -> Result<Request, Refusal> {
    let bytes = parse_data(payload).ok_or(Refusal::BAD_REQUEST)?;
    if AvatarHash::parse(item.id.as_str()) != Some(AvatarHash::of(&bytes)) {
        return Err(Refusal::NOT_ACCEPTABLE);
    }
    Ok(Request::StageAvatar(bytes))
}

fn wear(payload: &Element) -> Result<Request, Refusal> {
    if !payload.is("metadata", METADATA) {
        return Err(Refusal::BAD_REQUEST);
    }
    if !payload.has_child("info", METADATA) {
        return Ok(Request::SetAvatar(None));
    }
    Ok(Request::WearAvatar(worn_here(payload).ok_or(Refusal::NOT_ACCEPTABLE)?))
}

/// The owner takes the picture off.
pub(super) fn remove() -> Answer {
    pubsub::done(Request::SetAvatar(None))
}

/// How the two nodes are.
pub(super) fn show_config(iq: &Iq<'_>, node: NodeName) -> Answer {
    let request = Request::Enquire { of: iq.account.clone(), wanted: Wanted::AvatarAccess };
    Answer::then(request, move |outcome| match outcome {
        Ok(Reply::AvatarAccess { is_open, .. }) => {
            let access = if is_open { Access::Open } else { Access::Presence };
            let config = NodeConfig { access, ..NodeConfig::default() };
            Answer::Result(pubsub_owner::print_config(&node, &config))
        }
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) => Answer::Refuse(pubsub::refusal_of(&reject)),
    })
}

/// The owner says who may see the picture; all else about the two nodes stays as it is.
pub(super) fn configure(options: &NodeOptions) -> Answer {
    show_to(options.access.clone(), String::new())
}

/// Sets who may see the picture where that is said, then answers.
fn show_to(access: Option<Access>, result: String) -> Answer {
    let is_open = match access {
        None => return Answer::Result(result),
        Some(Access::Open) => true,
        Some(Access::Presence) => false,
        // Nothing narrower can be promised of what goes with every presence.
        Some(Access::Groups(_) | Access::Owner) => return Answer::Refuse(Refusal::NOT_ACCEPTABLE),
    };
    Answer::then(Request::ShowAvatar { is_open }, move |outcome| match outcome {
        Ok(_) => Answer::Result(result),
        Err(reject) => Answer::Refuse(pubsub::refusal_of(&reject)),
    })
}
