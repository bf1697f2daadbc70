//! What the whole-server tests stand on: programs of other people, and the server itself.
//!
//! Everything waits for something that happens, with a generous deadline, and nothing sleeps to
//! hope. What goes wrong is shown together with what the programs had to say.

mod baresip;
mod blink;
mod browser;
pub(crate) mod component;
mod finch;
mod linphone;
mod linphonec;
pub(crate) mod loopback;
mod profanity;
mod program;
mod server;
mod sip;
mod sipp;
mod site;
mod slixmpp;
mod web;
mod xcap;
mod xmpp;

use std::{future::Future, path::PathBuf, time::Duration};

pub(crate) use baresip::{Baresip, Phone};
pub(crate) use blink::Blink;
pub(crate) use browser::Browser;
pub(crate) use component::Component;
pub(crate) use finch::Finch;
pub(crate) use linphone::Linphone;
pub(crate) use linphonec::Linphonec;
pub(crate) use profanity::Profanity;
pub(crate) use program::Program;
pub(crate) use server::{House, PASSWORD, address};
pub(crate) use sip::{SipPhone, body};
pub(crate) use sipp::{Sipp, Transport as SipTransport};
pub(crate) use site::Site;
pub(crate) use slixmpp::Slixmpp;
pub(crate) use web::{Answer, Socket, Web};
pub(crate) use xcap::Xcap;
pub(crate) use xmpp::RawXmpp;

/// How long anything may take before the test gives up. Generous: a busy machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The result of something that has to happen soon; `what` is for the failure.
#[track_caller]
pub(crate) fn soon<T>(what: &str, happens: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, happens).await {
            Ok(result) => result,
            Err(_) => panic!("{caller}: {what}: did not happen in {PATIENCE:?}"),
        }
    }
}

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
