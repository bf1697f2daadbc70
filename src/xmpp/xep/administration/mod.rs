//! XEP-0133: Service Administration: what an administrator's client can have done, as commands of the server.
//!
//! # Invariants
//!
//! - Everything goes through [`Admin`], as from the command line and the web.
//! - No command gives a password away.

mod lists;
mod users;

use super::{
    commands::{Command, Group, Outcome, Who},
    form::{Field, Filled},
};
use crate::admin::Admin;
use crate::signal::{Address, Party};
use crate::xmpp::translate::Refusal;

pub(super) static GROUP: Group =
    Group { who: Who::Administrators, form_type: "http://jabber.org/protocol/admin", commands: COMMANDS };

/// All commands, in the order of XEP-0133.
static COMMANDS: &[Command] = &[
    Command {
        node: "http://jabber.org/protocol/admin#add-user",
        name: "Add a user",
        fields: users::new_user,
        run: |order| Box::pin(users::add(order.admin, order.form)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#delete-user",
        name: "Delete users",
        fields: users::several,
        run: |order| Box::pin(users::delete(order.admin, order.form)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#disable-user",
        name: "Disable users",
        fields: users::several,
        run: |order| Box::pin(users::set_disabled(order.admin, order.form, true)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#reenable-user",
        name: "Enable users again",
        fields: users::several,
        run: |order| Box::pin(users::set_disabled(order.admin, order.form, false)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#end-user-session",
        name: "End sessions of users",
        fields: users::several,
        run: |order| Box::pin(users::end_sessions(order.admin, order.form)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#change-user-password",
        name: "Change the password of a user",
        fields: users::new_password,
        run: |order| Box::pin(users::change_password(order.admin, order.form)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#get-user-roster",
        name: "Show the contacts of a user",
        fields: users::one,
        run: |order| Box::pin(users::roster(order.admin, order.form)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#user-stats",
        name: "Show figures of a user",
        fields: users::one,
        run: |order| Box::pin(users::figures(order.admin, order.form)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#get-registered-users-num",
        name: "Count the users",
        fields: Vec::new,
        run: |order| Box::pin(lists::count(order.admin, "registeredusersnum", lists::Which::All)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#get-disabled-users-num",
        name: "Count the disabled users",
        fields: Vec::new,
        run: |order| Box::pin(lists::count(order.admin, "disabledusersnum", lists::Which::Disabled)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#get-online-users-num",
        name: "Count the users who are online",
        fields: Vec::new,
        run: |order| Box::pin(lists::count(order.admin, "onlineusersnum", lists::Which::Online)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#get-registered-users-list",
        name: "List the users",
        fields: lists::most,
        run: |order| Box::pin(lists::list(order.admin, order.form, "registereduserjids", lists::Which::All)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#get-disabled-users-list",
        name: "List the disabled users",
        fields: lists::most,
        run: |order| {
            Box::pin(lists::list(order.admin, order.form, "disableduserjids", lists::Which::Disabled))
        },
    },
    Command {
        node: "http://jabber.org/protocol/admin#get-online-users-list",
        name: "List the users who are online",
        fields: lists::most,
        run: |order| Box::pin(lists::list(order.admin, order.form, "onlineuserjids", lists::Which::Online)),
    },
    Command {
        node: "http://jabber.org/protocol/admin#announce",
        name: "Send an announcement to everybody who is online",
        fields: lists::announcement,
        run: |order| Box::pin(lists::announce(order.admin, order.form)),
    },
];

/// The accounts that a field names.
fn accounts_in(form: &Filled, field: &str) -> Result<Vec<Address>, Refusal> {
    form.values(field)
        .map(|text| match Party::parse(text) {
            Ok(party) if !party.address.is_domain() => Ok(party.address),
            _ => Err(Refusal::JID_MALFORMED),
        })
        .collect()
}

/// The one account that a field names.
fn account_in(form: &Filled, field: &str) -> Result<Address, Refusal> {
    accounts_in(form, field)?.into_iter().next().ok_or(Refusal::NOT_ACCEPTABLE)
}
