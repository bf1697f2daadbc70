//! XEP-0401: Ad-hoc Account Invitation Generation, and XEP-0379: Pre-Authenticated Roster Subscription: everybody
//! invites to become a contact, who may also to make an account (`account.inviters`), and who brings such an invitation with his
//! question is let in.
//!
//! Invitations themselves, and what comes of one, are the affair of `admin` and `auth`.

use tracing::debug;

use super::{
    commands::{Command, Group, Order, Outcome, Who},
    form::Field,
};
use crate::admin::{Admin, Newcomers, Offer};
use crate::signal::Address;
use crate::xmpp::stanza::Stanza;
use crate::xmpp::translate::Refusal;

/// For everybody (XEP-0401 §5.1).
pub(super) static TO_CONTACTS: Group = Group {
    who: Who::Everybody,
    form_type: FORM_TYPE,
    commands: &[Command {
        node: "urn:xmpp:invite#invite",
        name: "Invite somebody to become a contact",
        fields: Vec::new,
        run: |order| Box::pin(invite(order)),
    }],
};

/// For administrators (XEP-0401 §5.4).
pub(super) static TO_ACCOUNTS: Group = Group {
    who: Who::Administrators,
    form_type: FORM_TYPE,
    commands: &[Command {
        node: "urn:xmpp:invite#create-account",
        name: "Invite somebody to make an account",
        fields: newcomer,
        run: |order| Box::pin(create_account(order)),
    }],
};

async fn invite(order: Order) -> Result<Outcome, Refusal> {
    let newcomers = if order.takes_guests { Newcomers::Everywhere } else { Newcomers::Nowhere };
    let offer = order.admin.invite_contact(&order.asker, newcomers).await?;
    Ok(Outcome::Table(describe(&offer, &order.page)))
}

fn newcomer() -> Vec<Field> {
    vec![
        Field::new("username", "text-single", "The name of the account, if it is decided"),
        Field::new("roster-subscription", "boolean", "Whether who makes it becomes your contact"),
    ]
}

async fn create_account(order: Order) -> Result<Outcome, Refusal> {
    let becomes_contact = matches!(order.form.value("roster-subscription"), Some("1" | "true"));
    let offer =
        order.admin.invite_newcomer(&order.asker, order.form.value("username"), becomes_contact).await?;
    Ok(Outcome::Table(describe(&offer, &order.page)))
}

fn describe(offer: &Offer, page: &str) -> Vec<Field> {
    let mut fields = vec![Field::new("uri", "text-single", "").with([offer.uri.clone()])];
    if !page.is_empty() {
        let link = format!("{page}/join?token={}", offer.token);
        fields.push(Field::new("landing-url", "text-single", "").with([link]));
    }
    fields.push(Field::new("expire", "text-single", "").with([offer.expires.to_string()]));
    fields
}

/// The invitation that comes with a question to see somebody (XEP-0379 §3.4).
pub(in crate::xmpp) fn token(stanza: &Stanza) -> Option<String> {
    let token = stanza.child("preauth", "urn:xmpp:pars:0")?.attribute("token")?.into_owned();
    (!token.is_empty() && token.len() <= LONGEST_TOKEN).then_some(token)
}

/// Somebody comes with an invitation. Where it is none, his question is one like any other (XEP-0379 §4.1).
pub(in crate::xmpp) async fn bring(admin: &Admin, token: &str, host: &Address, guest: &Address) {
    if let Err(fault) = admin.accept(token, host, guest).await {
        debug!(%host, %guest, %fault, "an invitation is no good");
    }
}

const FORM_TYPE: &str = "urn:xmpp:invite#invitation";
/// In bytes; ours are shorter.
const LONGEST_TOKEN: usize = 128;
