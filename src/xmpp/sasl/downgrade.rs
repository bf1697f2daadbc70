//! XEP-0474: SASL SCRAM Downgrade Protection. A hash of what we offered, in the first message of ours that the
//! password protects: whoever took something out of the offer on its way cannot make it right.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{Hash, Offer};

/// The value of the attribute `h` (§5.1).
pub(super) fn protect(offer: &Offer, hash: Hash) -> String {
    BASE64.encode(hash.digest(print_offer(offer).as_bytes()))
}

fn print_offer(offer: &Offer) -> String {
    let mut mechanisms: Vec<&str> = offer.mechanisms().collect();
    mechanisms.sort_unstable();
    let mut text = mechanisms.join("\x1e");
    if !offer.bindings.is_empty() {
        let mut bindings: Vec<&str> = offer.bindings.names().collect();
        bindings.sort_unstable();
        text.push('\x1f');
        text.push_str(&bindings.join("\x1e"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::sasl::Bindings;

    #[test]
    fn the_example_of_the_xep_comes_out() {
        // The list of its example has two mechanisms, ours has more: the hash is checked by itself.
        let text = "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1ftls-exporter\x1etls-server-end-point";
        assert_eq!(BASE64.encode(Hash::Sha1.digest(text.as_bytes())), "G6k/rBLDqgOhRRaCuuatSDFkJ08=");
    }

    #[test]
    fn everything_on_offer_is_covered_in_order() {
        let scram = "SCRAM-SHA-1\x1eSCRAM-SHA-256\x1eSCRAM-SHA-512";
        let plus = "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1eSCRAM-SHA-256\x1eSCRAM-SHA-256-PLUS\x1eSCRAM-SHA-512\x1e\
                    SCRAM-SHA-512-PLUS";
        let bindings = Bindings { exporter: Some(vec![1]), end_point: Some(vec![2]) };
        for (offer, expected) in [
            (Offer::default(), scram.to_owned()),
            (Offer { allows_plain: true, ..Offer::default() }, format!("PLAIN\x1e{scram}")),
            (
                Offer { bindings, allows_tokens: true, ..Offer::default() },
                format!("{plus}\x1ftls-exporter\x1etls-server-end-point"),
            ),
        ] {
            assert_eq!(print_offer(&offer), expected);
        }
    }
}
