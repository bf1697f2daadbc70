//! A DNS server that knows a few names: addresses and services, and of all else says that it does not exist.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{net::UdpSocket, task::JoinSet};

use super::town::in_ascii;

/// The names, and the task that tells them.
pub(crate) struct Names {
    known: Arc<Mutex<Known>>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Known {
    hosts: BTreeMap<String, IpAddr>,
    services: BTreeMap<String, Vec<(u16, u16, String)>>,
    /// Every question that was asked.
    asked: Vec<String>,
}

impl Names {
    /// Answers on a UDP socket until it is dropped.
    pub(crate) async fn serve(place: SocketAddr) -> Self {
        let socket = UdpSocket::bind(place).await.unwrap();
        let known = Arc::<Mutex<Known>>::default();
        let names = Arc::clone(&known);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                if let Some(answer) = answer(&buffer[..length], &mut names.lock().unwrap()) {
                    let _ = socket.try_send_to(&answer, peer);
                }
            }
        });
        Self { known, _task: task }
    }

    /// A name with an address.
    pub(crate) fn add_host(&self, name: &str, address: IpAddr) {
        self.known.lock().unwrap().hosts.insert(in_ascii(name), address);
    }

    /// A service, `_xmpp-server._tcp.example`, with priority, port and host.
    pub(crate) fn add_service(&self, name: &str, priority: u16, port: u16, host: &str) {
        let mut known = self.known.lock().unwrap();
        known.services.entry(name.to_owned()).or_default().push((priority, port, host.to_owned()));
    }

    /// Whether anybody asked for a name.
    pub(crate) fn was_asked(&self, name: &str) -> bool {
        self.known.lock().unwrap().asked.iter().any(|asked| asked == name)
    }
}

/// RFC 1035 §4: one question, its answers.
fn answer(question: &[u8], known: &mut Known) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    while let Some(&length) = question.get(at).filter(|length| **length > 0) {
        let label = question.get(at + 1..at + 1 + usize::from(length))?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += 1 + usize::from(length);
    }
    let (name, end) = (labels.join("."), at + 5);
    let kind = u16::from_be_bytes(question.get(at + 1..at + 3)?.try_into().unwrap());
    known.asked.push(name.clone());
    let records: Vec<Vec<u8>> = match kind {
        A => match known.hosts.get(&name) {
            Some(IpAddr::V4(address)) => vec![address.octets().to_vec()],
            _ => Vec::new(),
        },
        SRV => known.services.get(&name).into_iter().flatten().map(service).collect(),
        _ => Vec::new(),
    };
    let exists = known.hosts.contains_key(&name) || known.services.contains_key(&name);
    let code = if exists { 0 } else { 3 };
    let mut out = question.get(..2)?.to_vec();
    out.extend([0x85, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    out.extend(question.get(12..end)?);
    for record in records {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
        out.extend(record);
    }
    Some(out)
}

fn service((priority, port, host): &(u16, u16, String)) -> Vec<u8> {
    let mut out = [*priority, 0, *port].map(u16::to_be_bytes).concat();
    for label in host.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

const A: u16 = 1;
const SRV: u16 = 33;
