//! XEP-0050: Ad-Hoc Commands of the server.
//!
//! A command is one form at most, so that nothing need be remembered between its two steps: the first shows
//! the form, the second brings it filled in. What the commands do stands in `administration` and `invitation`.

use compact_str::CompactString;

use super::{
    Answer, Handler, Iq, Module, Payload, Target, administration,
    form::{self, Field, Filled},
    invitation,
};
use crate::admin::Admin;
use crate::signal::Address;
use crate::xmpp::job::Work;
use crate::xmpp::stanza::{print_attribute, print_text};
use crate::xmpp::translate::Refusal;

pub(super) const NAMESPACE: &str = "http://jabber.org/protocol/commands";

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE],
    payloads: &[Payload { name: "command", namespace: NAMESPACE, handler: Handler::Set(handle) }],
    ..Module::NONE
};

/// Commands of one kind.
pub(super) struct Group {
    pub(super) who: Who,
    /// What their forms are (XEP-0068).
    pub(super) form_type: &'static str,
    pub(super) commands: &'static [Command],
}

/// Who may use a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Administrators,
    Everybody,
}

/// Something that somebody can have done.
pub(super) struct Command {
    pub(super) node: &'static str,
    pub(super) name: &'static str,
    /// What is asked before; nothing where the command needs to know nothing.
    pub(super) fields: fn() -> Vec<Field>,
    pub(super) run: fn(Order) -> Run,
}

/// What a command is to be done with.
pub(super) struct Order {
    pub(super) admin: Admin,
    pub(super) asker: Address,
    /// The asker is here by the password of one device: no administrator.
    pub(super) is_device: bool,
    pub(super) form: Filled,
    /// Where the page is found; empty where there is none.
    pub(super) page: String,
    /// Whether who was invited makes an account from a chat client.
    pub(super) takes_guests: bool,
}

/// A command at work.
pub(super) type Run = std::pin::Pin<Box<dyn Future<Output = Result<Outcome, Refusal>> + Send>>;

/// What a command ends with.
pub(super) enum Outcome {
    /// It is done; these words say how.
    Note(String),
    /// What was asked for.
    Table(Vec<Field>),
    /// What was asked for, some of it as elements beside the form.
    Extended(Vec<Field>, String),
}

/// What a client wants of a command (XEP-0050 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Go,
    Cancel,
}

fn handle(iq: &Iq<'_>) -> Answer {
    if iq.target != Target::Server {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let (Some(element), Some(node)) = (iq.payload.to_element(), iq.payload.attribute("node")) else {
        return Answer::Refuse(Refusal::BAD_REQUEST);
    };
    let Some((group, command)) = find(&node) else {
        return Answer::Refuse(Refusal::ITEM_NOT_FOUND);
    };
    let action = match element.attr("action") {
        None | Some("execute" | "next" | "complete") => Action::Go,
        Some("cancel") => Action::Cancel,
        Some(_) => return Answer::Refuse(Refusal::BAD_REQUEST.with_detail(BAD_ACTION)),
    };
    let session: CompactString = match element.attr("sessionid") {
        Some(session) if session.len() <= MOST_SESSION_BYTES => session.into(),
        Some(_) => return Answer::Refuse(Refusal::BAD_REQUEST.with_detail(BAD_SESSION)),
        None => (iq.fresh)().into(),
    };
    let filled = Filled::parse(&element);
    let order = Order {
        admin: iq.admin.clone(),
        asker: iq.asker.address.clone(),
        is_device: iq.is_device,
        form: Filled::default(),
        page: iq.shared.web_address().to_owned(),
        takes_guests: iq.shared.config.takes_guests() && !iq.is_device,
    };
    Answer::work(step(group, command, action, session, order, filled))
}

/// The command of a node.
fn find(node: &str) -> Option<(&'static Group, &'static Command)> {
    let all = GROUPS.iter().flat_map(|group| group.commands.iter().map(move |command| (*group, command)));
    all.into_iter().find(|(_, command)| command.node == node)
}

async fn step(
    group: &'static Group,
    command: &'static Command,
    action: Action,
    session: CompactString,
    order: Order,
    filled: Option<Filled>,
) -> Answer {
    if group.who == Who::Administrators {
        match order.admin.is_administrator(&order.asker).await {
            Ok(true) if !order.is_device => {}
            Ok(_) => return Answer::Refuse(Refusal::FORBIDDEN),
            Err(fault) => return Answer::Refuse(fault.into()),
        }
    }
    if action == Action::Cancel {
        return Answer::Result(print(command, &session, "canceled", ""));
    }
    let fields = (command.fields)();
    let filled = match filled {
        None if !fields.is_empty() => {
            let form = form::print("form", group.form_type, command.name, &fields);
            let actions = "<actions execute='complete'><complete/></actions>";
            return Answer::Result(print(command, &session, "executing", &format!("{actions}{form}")));
        }
        filled => filled.unwrap_or_default(),
    };
    if let Some(missing) = fields.iter().find(|field| field.is_required && filled.value(field.name).is_none())
    {
        let text = format!("{} is missing", missing.name).into();
        return Answer::Refuse(Refusal { text: Some(text), ..Refusal::NOT_ACCEPTABLE });
    }
    tracing::info!(asker = %order.asker, command = command.node, "command");
    match (command.run)(Order { form: filled, ..order }).await {
        Ok(outcome) => {
            Answer::Result(print(command, &session, "completed", &print_outcome(group, command, &outcome)))
        }
        Err(refusal) => Answer::Refuse(refusal),
    }
}

fn print_outcome(group: &Group, command: &Command, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Note(note) => {
            let mut out = b"<note type='info'>".to_vec();
            print_text(note, &mut out);
            out.extend_from_slice(b"</note>");
            String::from_utf8(out).unwrap_or_default()
        }
        Outcome::Table(fields) => form::print("result", group.form_type, command.name, fields),
        Outcome::Extended(fields, more) => {
            let form = form::print("result", group.form_type, command.name, fields);
            // Beside the fields, as XEP-0133 §4.7 shows it.
            form.replace("</x>", &format!("{more}</x>"))
        }
    }
}

fn print(command: &Command, session: &str, status: &str, content: &str) -> String {
    let mut id = Vec::new();
    print_attribute(session, &mut id);
    let id = String::from_utf8(id).unwrap_or_default();
    let node = command.node;
    format!(
        "<command xmlns='{NAMESPACE}' node='{node}' sessionid='{id}' status='{status}'>{content}</command>"
    )
}

/// The commands that the asker may use, for service discovery (XEP-0050 §2.2). Whoever may use none learns of
/// none.
pub(super) fn list(iq: &Iq<'_>) -> Work {
    let (admin, asker, is_device) = (iq.admin.clone(), iq.asker.address.clone(), iq.is_device);
    let server = iq.account.domain().to_owned();
    Box::pin(async move {
        let administers = !is_device && matches!(admin.is_administrator(&asker).await, Ok(true));
        let may = |group: &&&Group| administers || group.who == Who::Everybody;
        let commands = GROUPS.iter().filter(may).flat_map(|group| group.commands);
        let items: String = commands
            .map(|command| format!("<item jid='{server}' node='{}' name='{}'/>", command.node, command.name))
            .collect();
        Answer::Result(format!(
            "<query xmlns='http://jabber.org/protocol/disco#items' node='{NAMESPACE}'>{items}</query>"
        ))
    })
}

/// What service discovery tells of a node that is a command, or the list of them (XEP-0050 §2.3).
pub(super) fn info(node: &str) -> Option<String> {
    let (kind, name) = match find(node) {
        Some((_, command)) => ("command-node", command.name),
        None if node == NAMESPACE => ("command-list", "Commands"),
        None => return None,
    };
    Some(format!(
        "<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>\
         <identity category='automation' type='{kind}' name='{name}'/>\
         <feature var='{NAMESPACE}'/><feature var='{}'/></query>",
        form::NAMESPACE
    ))
}

static GROUPS: [&Group; 3] = [&administration::GROUP, &invitation::TO_ACCOUNTS, &invitation::TO_CONTACTS];

const BAD_ACTION: &str = "<bad-action xmlns='http://jabber.org/protocol/commands'/>";
const BAD_SESSION: &str = "<bad-sessionid xmlns='http://jabber.org/protocol/commands'/>";
const MOST_SESSION_BYTES: usize = 256;
