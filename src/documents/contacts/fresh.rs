//! Documents for an account that has contacts and whose clients put none yet.
//!
//! They have everything that Blink and OMA's clients look for, so that these find the contacts at their first
//! start.

use super::{RESOURCE_LISTS, Wanted, markup::escaped, plain_lists::BUDDIES};
use crate::{documents::tree::escape_attribute, signal::Address};

/// Lists without anybody in them but the buddies: an edit brings them up to the rest.
pub(in crate::documents) fn print_lists(wanted: &Wanted, lists_url: &str) -> String {
    let list = |name: &str, inside: &str| format!("<list name=\"{name}\">{inside}</list>");
    let external = |name: &str| {
        let anchor = escape_attribute(&list_url(lists_url, name));
        format!("<external anchor=\"{anchor}\"/>")
    };
    let buddies: String =
        wanted.contacts.keys().map(|one| format!("<entry uri=\"{}\"/>", escaped(one))).collect();
    let all: String = [BUDDIES, super::GRANTED_LIST, super::BLOCKED_LIST].map(external).concat();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<resource-lists xmlns=\"{RESOURCE_LISTS}\" xmlns:ab=\"{}\">",
        super::ADDRESS_BOOK
    );
    out += &list(BUDDIES, &buddies);
    out += &list(super::GRANTED_LIST, "");
    out += &list(super::BLOCKED_LIST, "");
    out += &list("oma_allcontacts", &all);
    out += &list(super::FOLLOWED_LIST, "");
    out += &list(super::ADDRESS_BOOK_LIST, "");
    out + "</resource-lists>"
}

/// The service by which a client follows all contacts with one subscription.
pub(in crate::documents) fn print_services(owner: &Address, lists_url: &str) -> String {
    let service = format!("sip:{}+presence@{}", owner.local().unwrap_or_default(), owner.domain_in_ascii());
    let list = list_url(lists_url, super::FOLLOWED_LIST);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rls-services xmlns=\"{RLS_SERVICES}\"><service uri=\"{}\">\
         <resource-list>{}</resource-list><packages><package>presence</package></packages></service>\
         </rls-services>",
        escape_attribute(&service),
        escape_attribute(&list),
    )
}

/// The reference to an outermost list.
fn list_url(lists_url: &str, name: &str) -> String {
    format!("{lists_url}/~~/resource-lists/list%5B@name=%22{name}%22%5D")
}

const RLS_SERVICES: &str = "urn:ietf:params:xml:ns:rls-services";
