//! The web door from outside: routes, sockets, and what hostile clients try.

mod hostile;
mod routes;
mod sockets;
