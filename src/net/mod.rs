//! Listeners, TLS, limits and shutdown, written once for every door.
