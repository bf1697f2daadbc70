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

mod alarm;
mod answer;
mod auth;
mod bindings;
mod call;
mod call_book;
mod config;
mod device;
mod door;
mod fork;
mod locations;
pub mod message;
mod options;
mod outbox;
mod own;
mod pager;
mod presence_agent;
mod proxy;
mod publications;
mod registrar;
mod server;
mod subscription;
pub mod transaction;
mod translate;
pub mod transport;

pub use config::Config;
pub use server::{Addresses, Environment, Running, StartError, start};
