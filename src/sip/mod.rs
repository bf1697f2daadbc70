//! The SIP door: the wire of phones, translated to signals.
//!
//! The lower half knows nothing of accounts: [`message`] reads and writes bytes, [`transport`] owns the
//! sockets, [`transaction`] keeps the machines of RFC 3261 §17 and RFC 6026. The upper half (registrar,
//! pager, presence agent, proxy) is a [`transaction::TransactionUser`]:
//!
//! ```text
//! let layer = Layer::new(Config::new(transport::Config::new(host)), signal.clone());
//! layer.start(user);                                    // Arc<dyn TransactionUser>, may hold Arc<Layer>
//! tasks.spawn(layer.clone().run());                     // timers and dialled connections
//! tasks.spawn(layer.transport().clone().serve_udp(net::bind_udp(…)?)?);
//! tasks.spawn(listener.serve(signal, move |stream| transport.clone().serve(stream)));
//!
//! transaction.respond(Builder::response_to(&request, 200, &layer.new_token()).finish());
//! layer.send_request(&request, &Destination::Flow(flow), |event| …)?.cancel();
//! let response = layer.request(&request, &destination).await?;
//! layer.send_stateless(&ack, &destination)?;            // the ACK of a 2xx
//! ```
//!
//! # Invariants
//! - Bytes come in through [`transport`] and leave through it; nothing else of this door owns a socket.
//! - A request that is handed up has well-formed mandatory headers; whatever else it has is checked by who
//!   reads it.
//! - Every method has one handler, named in `door`, which tells how one is written. A handler answers with a
//!   value and never waits on the task that reads the socket.
//! - Whoever acts in the name of an account has proved to be its owner: by digest in this request, or by a
//!   registration over this very connection. Nothing is relayed for others, and no message to other domains.
//! - A registered phone is a session of its account, and ends with its last registration or connection. What is
//!   registered is on the disk before the phone is told so, and there again after a restart.
//! - A MESSAGE is answered with 2xx when the account says that it is delivered or stored, never before. A
//!   message for a phone is confirmed when the phone says 2xx.
//! - Headers and bodies of messages meet signals in `translate` alone.

mod alarm;
mod answer;
mod asked;
mod astray;
mod auth;
mod bindings;
mod call;
mod call_book;
mod call_stages;
mod clock;
mod config;
mod device;
mod document_watch;
mod door;
mod events;
mod fork;
mod gruu;
mod keeping;
mod kept;
mod locations;
pub mod message;
mod onward;
mod options;
mod outbox;
mod own;
mod pager;
mod presence_agent;
mod proxy;
mod publications;
mod publish;
mod registrar;
mod registration;
mod resource_list;
mod server;
mod subscription;
mod succession;
mod target;
pub mod transaction;
mod translate;
pub mod transport;
mod turns;

pub use config::Config;
pub use server::{Addresses, Environment, Running, StartError, start};
