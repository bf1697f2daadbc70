//! Addresses of the loopback that this run of the tests has for itself. On one of those a server listens on ports
//! that are known before it starts, and finds them free when it starts again.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

/// An address for whoever knows a place of his own within a street.
pub(crate) fn address(street: u8, house: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, network(), street, house)
}

/// An address that nobody had before, in a street of such, where `port` is free: a server that an interrupted run left
/// behind may still be at one.
pub(crate) fn next_address(port: u16) -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    loop {
        let house = NEXT.fetch_add(1, Ordering::Relaxed);
        assert_ne!(house, u8::MAX, "the street is full");
        let address = address(STREET, house);
        if TcpListener::bind((address, port)).is_ok() {
            return address;
        }
    }
}

/// The second octet of all addresses of this process. Servers meet at well-known ports, so another run of the tests
/// on the same machine has to have another one: a listener that is never closed claims it.
fn network() -> u8 {
    static NETWORK: OnceLock<(u8, TcpListener)> = OnceLock::new();
    let claim = |octet| {
        let place = SocketAddr::from((Ipv4Addr::new(127, octet, 0, 1), PORT));
        Some((octet, TcpListener::bind(place).ok()?))
    };
    NETWORK.get_or_init(|| (20..220).find_map(claim).expect("a network of the loopback range")).0
}

/// Where a network is claimed.
const PORT: u16 = 5269;
/// The street of addresses for anybody.
const STREET: u8 = 255;
