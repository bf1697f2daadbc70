//! The STUN server usage on the SIP port (RFC 5626 §3.5.2, §8; RFC 5389): binding requests get the
//! address they came from. Nothing else of STUN is here.

use std::net::{IpAddr, SocketAddr};

/// The answer to a binding request; `None` for anything that is not one.
pub(super) fn answer(datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let (header, attributes) = datagram.split_first_chunk::<20>()?;
    let [kind_high, kind_low, length_high, length_low, cookie @ ..] = header;
    let cookie = &cookie[..4];
    let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
    if [*kind_high, *kind_low] != BINDING_REQUEST || cookie != COOKIE || length != attributes.len() {
        return None;
    }
    let transaction = &header[4..20];
    let (family, mut address) = match from.ip().to_canonical() {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    // The mask is the cookie and the transaction id, in this order, as they stand in the header.
    for (byte, mask) in address.iter_mut().zip(transaction) {
        *byte ^= mask;
    }
    let [port_high, port_low] = from.port().to_be_bytes();
    let attribute_length = u8::try_from(address.len() + 4).ok()?;
    let mut answer = Vec::with_capacity(48);
    answer.extend(BINDING_SUCCESS);
    answer.extend([0, attribute_length + 4]);
    answer.extend(transaction);
    answer.extend(XOR_MAPPED_ADDRESS);
    answer.extend([0, attribute_length, 0, family, port_high ^ COOKIE[0], port_low ^ COOKIE[1]]);
    answer.extend(address);
    Some(answer)
}

const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

#[cfg(test)]
mod tests {
    use super::*;

    /// The IPv4 and IPv6 samples of RFC 5769 §2.2 and §2.3, without their other attributes.
    #[test]
    fn binding_requests_get_the_address_they_came_from() {
        let id = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
        let request = [&[0x00, 0x01, 0x00, 0x00][..], &COOKIE, &id].concat();
        let found = answer(&request, "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(found[..4], [0x01, 0x01, 0x00, 0x0c]);
        assert_eq!(found[20..], [0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let found =
            answer(&request, "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap()).unwrap();
        assert_eq!(found[24..28], [0x00, 0x02, 0xa1, 0x47]);
        assert_eq!(
            found[28..],
            [0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9]
        );
    }

    #[test]
    fn anything_else_is_no_stun() {
        let from = "192.0.2.1:1".parse().unwrap();
        let request = [&[0x00, 0x01, 0x00, 0x00][..], &COOKIE, &[0; 12]].concat();
        assert!(answer(&request[..19], from).is_none());
        assert!(answer(&[&request[..], b"x"].concat(), from).is_none());
        assert!(answer(b"OPTIONS sip:a@example.org SIP/2.0", from).is_none());
    }
}
