//! The SIP door: the wire of phones, translated to signals.
//!
//! The lower half knows nothing of accounts: [`message`] reads and writes bytes, `transaction` keeps
//! the machines of RFC 3261 §17 and RFC 6026, `transport` owns the sockets. The upper half (registrar,
//! pager, presence agent, proxy) is a transaction user:
//!
//! ```text
//! let layer = Layer::new(config);                        // Arc<Layer>: cheap to clone, shared by all
//! layer.start(Arc<dyn TransactionUser>);                 // before any socket is served
//! layer.transport().listen_udp(socket) / listen_tcp(listener, Option<TlsAcceptor>) / serve(stream, …)
//!
//! trait TransactionUser {                                // called by the receiving task: never block, never await
//!     fn handle_request(&self, request: IncomingRequest);   // new, checked, Via stamped; not ACK, not CANCEL
//!     fn handle_ack(&self, ack: Message, flow: Flow);        // of a 2xx: goes end to end
//!     fn handle_cancel(&self, transaction: &ServerTransaction, cancel: &Message); // already answered 200
//!     fn handle_flow_closed(&self, flow: Flow);              // a connection ended
//! }
//! struct IncomingRequest { message: Message, flow: Flow, transaction: ServerTransaction }
//! impl ServerTransaction { fn respond(&self, response: Message); fn flow(&self) -> Flow }  // Clone; 100 for INVITE by itself
//!
//! layer.send_request(request, Destination, impl Fn(ClientEvent)) -> ClientTransaction      // puts Via on
//! layer.request(request, Destination).await -> Result<Message, Failure>                   // the final response
//! layer.send_stateless(request, Destination) -> Result<(), SendError>                     // ACK for a 2xx
//! enum ClientEvent { Provisional(Message), Final(Message), Failed(Failure) }   // our Via still on top: splice().pop_via()
//! enum Failure { Timeout, Unreachable }
//! impl ClientTransaction { fn cancel(&self) }                                  // waits for a provisional response
//! enum Destination { Flow(Flow), Address { protocol: Protocol, peer: SocketAddr } }
//! struct Flow: Copy + Eq + Hash { protocol, local, peer, … }                   // where it came from, where it goes
//! enum Protocol { Udp, Tcp, Tls }
//! ```

pub mod message;
