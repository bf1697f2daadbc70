//! The configuration of a node as a form (XEP-0004, XEP-0060 §16.4): read from clients, written for them.

use compact_str::CompactString;
use minidom::Element;

use super::form::{self, Field, NAMESPACE as FORMS};
use crate::account::MOST_ITEMS;
use crate::formats::xml::parse_boolean;
use crate::signal::{Access, NodeConfig, NodeOptions, SendLast};
use crate::xmpp::translate::Refusal;

/// What the form is for; each has a FORM_TYPE of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::xmpp) enum Purpose {
    Configure,
    Publish,
}

const CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";
const OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";

/// What the form in `parent` says. Fields that are not known are left alone, as clients send many; what
/// would promise something that is not done is refused.
///
/// # Errors
/// A value of a known field that makes no sense, or that cannot be done.
pub(in crate::xmpp) fn parse(parent: &Element, purpose: Purpose) -> Result<NodeOptions, Refusal> {
    let mut options = NodeOptions::default();
    let Some(form) = parent.get_child("x", FORMS) else { return Ok(options) };
    let kind = if purpose == Purpose::Publish { OPTIONS } else { CONFIG };
    let mut groups = Vec::new();
    for field in form.children().filter(|field| field.is("field", FORMS)) {
        let values: Vec<String> =
            field.children().filter(|value| value.is("value", FORMS)).map(Element::text).collect();
        let Some(value) = values.first().map(String::as_str) else { continue };
        match field.attr("var").unwrap_or_default() {
            "FORM_TYPE" if value != kind => return Err(Refusal::NOT_ACCEPTABLE),
            "pubsub#title" => options.title = Some(value.into()),
            "pubsub#access_model" => options.access = Some(parse_access(value)?),
            "pubsub#roster_groups_allowed" => groups = values.iter().map(CompactString::from).collect(),
            "pubsub#max_items" => options.most_items = Some(parse_most(value)?),
            "pubsub#persist_items" => options.persists = Some(parse_bool(value)?),
            "pubsub#send_last_published_item" => options.send_last = Some(parse_send_last(value)?),
            "pubsub#deliver_payloads" => options.tells_payloads = Some(parse_bool(value)?),
            "pubsub#notify_retract" => options.tells_retractions = Some(parse_bool(value)?),
            "pubsub#notify_delete" => options.tells_deletion = Some(parse_bool(value)?),
            "pubsub#notify_config" => options.tells_changes = Some(parse_bool(value)?),
            "pubsub#publish_model" if value != "publishers" => return Err(Refusal::NOT_ACCEPTABLE),
            _ => {}
        }
    }
    if let Some(Access::Groups(allowed)) = &mut options.access {
        *allowed = groups;
    }
    Ok(options)
}

fn parse_access(value: &str) -> Result<Access, Refusal> {
    Ok(match value {
        "open" => Access::Open,
        "presence" => Access::Presence,
        "roster" => Access::Groups(Vec::new()),
        "whitelist" => Access::Owner,
        _ => return Err(Refusal::NOT_ACCEPTABLE),
    })
}

/// More than can be kept means as many as can be kept.
fn parse_most(value: &str) -> Result<u32, Refusal> {
    match value {
        "max" => Ok(MOST_ITEMS),
        value => match value.parse::<u32>() {
            Ok(most) if most > 0 => Ok(most.min(MOST_ITEMS)),
            _ => Err(Refusal::NOT_ACCEPTABLE),
        },
    }
}

fn parse_bool(value: &str) -> Result<bool, Refusal> {
    parse_boolean(value).ok_or(Refusal::NOT_ACCEPTABLE)
}

fn parse_send_last(value: &str) -> Result<SendLast, Refusal> {
    Ok(match value {
        "never" => SendLast::Never,
        "on_sub" => SendLast::OnSubscription,
        "on_sub_and_presence" => SendLast::OnPresence,
        _ => return Err(Refusal::NOT_ACCEPTABLE),
    })
}

/// The form that shows how a node is.
pub(in crate::xmpp) fn print(config: &NodeConfig) -> String {
    let (access, groups): (_, Vec<String>) = match &config.access {
        Access::Open => ("open", Vec::new()),
        Access::Presence => ("presence", Vec::new()),
        Access::Groups(groups) => ("roster", groups.iter().map(ToString::to_string).collect()),
        Access::Owner => ("whitelist", Vec::new()),
    };
    let send_last = match config.send_last {
        SendLast::Never => "never",
        SendLast::OnSubscription => "on_sub",
        SendLast::OnPresence => "on_sub_and_presence",
    };
    let title = config.title.as_ref().map(ToString::to_string);
    let models = &["open", "presence", "roster", "whitelist"];
    let moments = &["never", "on_sub", "on_sub_and_presence"];
    let mut fields = vec![
        Field::new("pubsub#title", "text-single", "").with(title),
        Field::choice("pubsub#access_model", "", models).with([access.to_owned()]),
        Field::new("pubsub#roster_groups_allowed", "text-multi", "").with(groups),
        Field::choice("pubsub#publish_model", "", &["publishers"]).with(["publishers".to_owned()]),
        Field::new("pubsub#max_items", "text-single", "").with([config.most_items.to_string()]),
        Field::choice("pubsub#send_last_published_item", "", moments).with([send_last.to_owned()]),
    ];
    for (name, is_so) in [
        ("pubsub#persist_items", config.persists),
        ("pubsub#deliver_payloads", config.tells_payloads),
        ("pubsub#notify_retract", config.tells_retractions),
        ("pubsub#notify_delete", config.tells_deletion),
        ("pubsub#notify_config", config.tells_changes),
    ] {
        fields.push(Field::new(name, "boolean", "").with([is_so.to_string()]));
    }
    form::print("form", CONFIG, "", &fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(kind: &str, fields: &str) -> Element {
        format!(
            "<configure xmlns='a'><x xmlns='{FORMS}' type='submit'><field var='FORM_TYPE'>\
             <value>{kind}</value></field>{fields}</x></configure>"
        )
        .parse()
        .unwrap()
    }

    fn one(name: &str, value: &str) -> String {
        format!("<field var='pubsub#{name}'><value>{value}</value></field>")
    }

    #[test]
    fn a_printed_form_is_read_back() {
        let config = NodeConfig {
            title: Some("A & B".into()),
            access: Access::Groups(vec!["Friends".into(), "<Work>".into()]),
            most_items: 7,
            persists: false,
            send_last: SendLast::OnSubscription,
            tells_payloads: false,
            tells_retractions: false,
            tells_deletion: true,
            tells_changes: true,
        };
        let printed: Element =
            format!("<configure xmlns='a'>{}</configure>", print(&config)).parse().unwrap();
        let options = parse(&printed, Purpose::Configure).unwrap();
        assert_eq!(options.applied_to(NodeConfig::default()), config);
    }

    #[test]
    fn what_cannot_be_done_is_refused_and_what_is_unknown_left_alone() {
        for (name, value, is_fine) in [
            ("access_model", "whitelist", true),
            ("access_model", "authorize", false),
            ("max_items", "max", true),
            ("max_items", "99999999", true),
            ("max_items", "0", false),
            ("max_items", "-1", false),
            ("publish_model", "publishers", true),
            ("publish_model", "open", false),
            ("persist_items", "true", true),
            ("persist_items", "yes", false),
            ("send_last_published_item", "on_sub", true),
            ("send_last_published_item", "always", false),
            ("item_expire", "604800", true),
        ] {
            let form = form(CONFIG, &one(name, value));
            assert_eq!(parse(&form, Purpose::Configure).is_ok(), is_fine, "{name} {value}");
        }
        assert!(parse(&form(OPTIONS, ""), Purpose::Configure).is_err());
        assert!(parse(&form(OPTIONS, ""), Purpose::Publish).is_ok());
    }
}
