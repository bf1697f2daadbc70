//! An account as XEP-0227 has it, written as it is read.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{ARCHIVE, PIE, PUBSUB, PUBSUB_OWNER, PortableError, SCRAM};
use crate::{
    admin::{Admin, Belongings},
    signal::{Access, Address, ContactEvent, ContactRequest, ContactSignal, Item, NodeConfig, NodeName},
    xmpp::{
        roster,
        stanza::print_attribute,
        translate::{print_archived, print_contact_signal},
        xep::{delay, node_form, vcard_temp},
    },
};

/// Writes an account with all that XEP-0227 has a place for.
///
/// # Errors
/// There is no such account, it cannot be read, or nothing can be written.
pub async fn export(admin: &Admin, address: &Address, out: &mut impl Write) -> Result<(), PortableError> {
    let has = admin.belongings(address).await?;
    let local = address.local().unwrap_or_default();
    writeln!(out, "<?xml version='1.0' encoding='UTF-8'?>")?;
    writeln!(out, "<server-data xmlns='{PIE}'>\n<host jid='{}'>", attribute(address.domain()))?;
    writeln!(out, "<user name='{}'>", attribute(local))?;
    write_head(&has, address, out)?;
    write_nodes(&has.nodes, out)?;
    let mut after = None;
    writeln!(out, "<archive xmlns='{ARCHIVE}'>")?;
    loop {
        let page = admin.archived(address, after).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.message.id);
        for archived in &page {
            let message = &archived.message;
            let delay = delay::print(address.domain(), message.sent);
            let mut stanza = Vec::new();
            print_archived(message, &mut stanza);
            write!(out, "<result xmlns='urn:xmpp:mam:2' id='{}'>", message.id)?;
            write!(out, "<forwarded xmlns='urn:xmpp:forward:0'>{delay}")?;
            out.write_all(&stanza)?;
            writeln!(out, "</forwarded></result>")?;
        }
    }
    writeln!(out, "</archive>\n</user>\n</host>\n</server-data>")?;
    Ok(out.flush()?)
}

fn write_head(has: &Belongings, address: &Address, out: &mut impl Write) -> Result<(), PortableError> {
    for (hash, verifier) in &has.scram {
        writeln!(
            out,
            "<scram-credentials xmlns='{SCRAM}' mechanism='{}'><iter-count>{}</iter-count><salt>{}</salt>\
             <server-key>{}</server-key><stored-key>{}</stored-key></scram-credentials>",
            hash.mechanism(),
            verifier.iterations,
            BASE64.encode(&verifier.salt),
            BASE64.encode(&verifier.server_key),
            BASE64.encode(&verifier.stored_key)
        )?;
    }
    let mut items = Vec::new();
    has.contacts.iter().for_each(|contact| roster::print_item(contact, &mut items));
    write!(out, "<query xmlns='jabber:iq:roster'>")?;
    out.write_all(&items)?;
    writeln!(out, "</query>")?;
    for request in &has.requests {
        out.write_all(&print_request(request, address))?;
    }
    write_blocked(&has.blocked, out)?;
    writeln!(out, "<offline-messages>")?;
    for message in &has.offline {
        let mut stanza = Vec::new();
        print_archived(message, &mut stanza);
        let delay = delay::print(address.domain(), message.sent);
        out.write_all(&with_last_child(stanza, delay.as_bytes()))?;
        writeln!(out)?;
    }
    writeln!(out, "</offline-messages>")?;
    if has.profile.is_some() || has.picture.is_some() {
        let profile = has.profile.clone().unwrap_or_default();
        let picture = has.picture.as_ref().map(|(avatar, bytes)| (&**avatar, bytes));
        writeln!(out, "{}", vcard_temp::print(&profile, picture))?;
    }
    Ok(())
}

/// As somebody would ask now (RFC 6121 §3.1.2).
fn print_request(request: &ContactRequest, address: &Address) -> Vec<u8> {
    let signal = ContactSignal {
        from: request.from.clone(),
        to: address.clone(),
        event: ContactEvent::Subscribe,
        note: request.note.clone(),
        native: request.native.clone(),
        origin_id: request.origin_id.clone(),
    };
    let mut out = Vec::new();
    print_contact_signal(&signal, &mut out);
    with_namespace(out, b"<presence", "jabber:client")
}

/// Blocks as the privacy list (XEP-0016) that other servers make of them.
fn write_blocked(blocked: &[Address], out: &mut impl Write) -> Result<(), PortableError> {
    if blocked.is_empty() {
        return Ok(());
    }
    write!(out, "<query xmlns='jabber:iq:privacy'><default name='blocked'/><list name='blocked'>")?;
    for (at, address) in blocked.iter().enumerate() {
        let value = attribute(address.as_str());
        write!(out, "<item type='jid' value='{value}' action='deny' order='{}'/>", at + 1)?;
    }
    writeln!(out, "<item action='allow' order='{}'/></list></query>", blocked.len() + 1)?;
    Ok(())
}

type Nodes = [(NodeName, NodeConfig, Vec<Item>)];

/// Personal nodes; those that are what XEP-0049 kept stand there as well, for servers that know only that.
fn write_nodes(nodes: &Nodes, out: &mut impl Write) -> Result<(), PortableError> {
    if nodes.is_empty() {
        return Ok(());
    }
    write!(out, "<query xmlns='jabber:iq:private'>")?;
    for (name, config, items) in nodes {
        let [item] = items.as_slice() else { continue };
        let is_its_own = std::str::from_utf8(&item.payload)
            .is_ok_and(|payload| payload.contains(&format!("xmlns='{}'", attribute(name.as_str()))));
        if config.access == Access::Owner && item.id.as_str() == "current" && is_its_own {
            out.write_all(&item.payload)?;
        }
    }
    writeln!(out, "</query>")?;
    write!(out, "<pubsub xmlns='{PUBSUB_OWNER}'>")?;
    for (name, config, _) in nodes {
        write!(out, "<configure node='{}'>", attribute(name.as_str()))?;
        write!(out, "{}</configure>", node_form::print(config))?;
    }
    writeln!(out, "</pubsub>")?;
    write!(out, "<pubsub xmlns='{PUBSUB}'>")?;
    for (name, _, items) in nodes {
        write!(out, "<items node='{}'>", attribute(name.as_str()))?;
        for item in items {
            write!(out, "<item id='{}'>", attribute(item.id.as_str()))?;
            out.write_all(&item.payload)?;
            write!(out, "</item>")?;
        }
        write!(out, "</items>")?;
    }
    writeln!(out, "</pubsub>")?;
    Ok(())
}

/// A stanza with another child at its end.
fn with_last_child(mut stanza: Vec<u8>, child: &[u8]) -> Vec<u8> {
    if stanza.ends_with(b"/>") {
        stanza.truncate(stanza.len() - 2);
        stanza.push(b'>');
        stanza.extend_from_slice(child);
        stanza.extend_from_slice(b"</message>");
    } else {
        let end = stanza.len() - b"</message>".len().min(stanza.len());
        stanza.splice(end..end, child.iter().copied());
    }
    stanza
}

fn with_namespace(stanza: Vec<u8>, start: &[u8], namespace: &str) -> Vec<u8> {
    let rest = stanza.strip_prefix(start).unwrap_or(&stanza);
    [start, format!(" xmlns='{namespace}'").as_bytes(), rest].concat()
}

fn attribute(text: &str) -> String {
    let mut out = Vec::new();
    print_attribute(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}
