//! What of an account's registrations outlives the process: one value for all of them.
//!
//! Shapes and their bytes only. A version stands in front: what an older server wrote and this one does not
//! understand is as good as absent, and the phones register again.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use compact_str::{CompactString, ToCompactString};
use serde::{Deserialize, Serialize};

use super::{
    bindings::{Binding, Contact, Last, RegId},
    clock::Clock,
    device::{Device, Traits},
    gruu::{Run, Temporary},
    message::{Quality, Uri},
    target::{Routes, Target},
    transport::{Protocol, Transport},
};
use crate::signal::Timestamp;

/// The registrations of one account.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) phones: Vec<KeptPhone>,
    pub(super) bindings: Vec<KeptBinding>,
}

/// What is behind one or more bindings.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptPhone {
    pub(super) resource: CompactString,
    /// The device password that it registered with.
    pub(super) device: Option<i64>,
    pub(super) traits: Traits,
    temporary: Option<(u64, u64, u32)>,
    /// Of the credential that it registered with: see [`crate::auth::Authenticator::mark`].
    pub(super) mark: u64,
}

/// One registered contact.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptBinding {
    /// The place of its phone.
    pub(super) phone: usize,
    uri: CompactString,
    instance: Option<CompactString>,
    reg_id: u32,
    q: Option<CompactString>,
    call_id: CompactString,
    cseq: u32,
    expires: Timestamp,
    last: Last,
    /// `None` where the connection was lost before.
    way: Option<KeptWay>,
}

/// How the phone was reached.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct KeptWay {
    protocol: Protocol,
    peer: SocketAddr,
    local: SocketAddr,
    is_direct: bool,
    routes: Vec<CompactString>,
}

impl Kept {
    /// Of the bindings of an account, now.
    pub(super) fn of(bindings: &[Binding<Arc<Device>>], now: Clock) -> Self {
        let mut devices: Vec<&Arc<Device>> = Vec::new();
        let mut kept = Self::default();
        for binding in bindings {
            let phone = devices.iter().position(|known| **known == binding.device).unwrap_or(devices.len());
            if phone == devices.len() {
                devices.push(&binding.device);
            }
            kept.bindings.push(KeptBinding::of(binding, phone, now));
        }
        kept.phones = devices.into_iter().map(|device| KeptPhone::of(device)).collect();
        kept
    }

    /// The value to keep.
    pub(super) fn print(&self) -> Bytes {
        // Plain data of this kind always has a form.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default().into()
    }

    /// Reads a value; `None` where it is not one of this version.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        (*version == VERSION).then(|| postcard::from_bytes(rest).ok())?
    }
}

impl KeptPhone {
    fn of(device: &Device) -> Self {
        Self {
            resource: device.resource().as_str().into(),
            device: device.login().device,
            traits: device.traits(),
            temporary: device.temporary().map(|temporary| (temporary.run.0, temporary.salt, temporary.first)),
            mark: device.mark(),
        }
    }

    pub(super) fn temporary(&self) -> Option<Temporary> {
        self.temporary.map(|(run, salt, first)| Temporary { run: Run(run), salt, first })
    }
}

impl KeptBinding {
    fn of(binding: &Binding<Arc<Device>>, phone: usize, now: Clock) -> Self {
        let contact = &binding.contact;
        Self {
            phone,
            uri: contact.uri.as_str().into(),
            instance: contact.instance.clone(),
            reg_id: contact.reg_id.map_or(0, RegId::get),
            q: contact.q.map(|q| super::bindings::print_quality(q).into()),
            call_id: binding.call_id.clone(),
            cseq: binding.cseq,
            expires: now.time_at(binding.expires),
            last: binding.last,
            way: binding.device.target_of(contact.reg_id).map(|target| KeptWay::of(&target)),
        }
    }

    /// The contact; `None` where its time is over or it makes no sense.
    pub(super) fn contact(&self, now: Clock) -> Option<Contact> {
        now.until(self.expires)?;
        Some(Contact {
            uri: Uri::parse(&self.uri).ok()?,
            instance: self.instance.clone(),
            reg_id: RegId::new(self.reg_id),
            q: self.q.as_deref().and_then(Quality::parse),
            expires: None,
        })
    }

    /// The way to it, where that has outlived the process: datagrams and proxies are reached as before,
    /// connections are gone.
    pub(super) fn target(&self, contact: &Contact, transport: &Transport) -> Option<Arc<Target>> {
        let way = self.way.as_ref()?;
        let flow = transport.flow_again(way.protocol, way.local, way.peer)?;
        let routes = (!way.routes.is_empty()).then(|| Routes::from(way.routes.as_slice()));
        let target = Target::new(&contact.uri, flow, routes, way.is_direct);
        (!target.is_bound()).then(|| Arc::new(target))
    }

    /// The binding of a phone, for `most` at the longest.
    pub(super) fn restore<D>(&self, device: D, contact: Contact, now: Clock, most: Duration) -> Binding<D> {
        let left = now.until(self.expires).unwrap_or_default();
        let last = if left > most { Last::Shortened } else { self.last };
        let (call_id, expires) = (self.call_id.clone(), now.instant + left.min(most));
        Binding { device, contact, call_id, cseq: self.cseq, expires, last }
    }
}

impl KeptWay {
    fn of(target: &Target) -> Self {
        let routes =
            target.routes.iter().flat_map(|routes| routes.iter()).map(ToCompactString::to_compact_string);
        Self {
            protocol: target.flow.protocol,
            peer: target.flow.peer,
            local: target.flow.local,
            is_direct: target.is_direct,
            routes: routes.collect(),
        }
    }
}

/// The first byte of a value.
const VERSION: u8 = 2;

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn kept() -> Kept {
        let way = KeptWay {
            protocol: Protocol::Udp,
            peer: ([192, 0, 2, 1], 5060).into(),
            local: ([0, 0, 0, 0], 5060).into(),
            is_direct: true,
            routes: vec!["<sip:p;lr>".into()],
        };
        let binding = KeptBinding {
            phone: 0,
            uri: "sip:a@192.0.2.1".into(),
            instance: Some("urn:x".into()),
            reg_id: 2,
            q: Some("0.500".into()),
            call_id: "c".into(),
            cseq: 7,
            expires: Timestamp(10_000),
            last: Last::Refreshed,
            way: Some(way),
        };
        let traits = Traits {
            takes_messages: true,
            takes_calls: false,
            takes_cpim: true,
            refuses_composing: false,
            only_md5: true,
        };
        let phone = KeptPhone {
            resource: "phone-1".into(),
            device: Some(3),
            traits,
            temporary: Some((1, 2, 3)),
            mark: 4,
        };
        Kept { phones: vec![phone], bindings: vec![binding] }
    }

    #[test]
    fn what_is_kept_is_read_back_and_nothing_else_is() {
        let bytes = kept().print();
        assert_eq!(Kept::parse(&bytes), Some(kept()));
        for end in 0..bytes.len() {
            assert_eq!(Kept::parse(&bytes[..end]), None, "{end}");
        }
        let mut other = bytes.to_vec();
        other[0] = VERSION + 1;
        assert_eq!(Kept::parse(&other), None);
    }

    #[tokio::test(start_paused = true)]
    async fn binding_has_the_time_that_is_left_and_no_more() {
        let kept = kept();
        let binding = &kept.bindings[0];
        let clock = |time| Clock { instant: Instant::now(), time: Timestamp(time) };
        assert!(binding.contact(clock(10_000)).is_none());
        let contact = binding.contact(clock(4000)).unwrap();
        assert_eq!((contact.reg_id, contact.q), (RegId::new(2), Quality::parse("0.5")));
        for (most, expect, last) in [(60, 6, Last::Refreshed), (2, 2, Last::Shortened)] {
            let most = Duration::from_secs(most);
            let restored = binding.restore((), contact.clone(), clock(4000), most);
            assert_eq!(restored.expires - Instant::now(), Duration::from_secs(expect));
            assert_eq!(restored.last, last);
        }
    }
}
