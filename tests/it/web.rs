//! The web door from outside: routes, sockets, and what hostile clients try.

mod avatar;
mod hostile;
mod presence;
mod routes;
mod sockets;
