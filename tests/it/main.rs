//! The one integration binary: whole-server tests, and the checks on the sources.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod architecture;
mod blink;
mod blink_book;
mod blink_session;
mod crash;
mod crossing;
mod document_watch;
mod domains;
mod examples;
mod federation;
mod linphone;
mod one_policy;
mod operator;
mod page;
mod pictures;
mod portable;
mod presence_documents;
mod publishing;
mod rules;
mod schemas;
mod sip_calls;
mod sip_documents;
mod sip_flows;
mod sip_lists;
mod sip_presence;
mod sip_registering_and_paging;
mod sip_registrations;
mod sip_restarts;
mod sip_subscriptions;
mod specifications;
mod story;
mod support;
mod tls;
mod watched;
mod web;
mod xcap;
mod xmpp;
mod xmpp_interop;
