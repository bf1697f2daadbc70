//! Receipts: `message/imdn+xml` (RFC 5438 §7).

use crate::signal::{Receipt, ReceiptKind, Timestamp};

/// The media type.
pub(super) const TYPE: &str = "message/imdn+xml";
/// The namespace of the CPIM headers (RFC 5438 §6).
pub(super) const HEADERS: &str = "urn:ietf:params:imdn";

/// Reads a receipt; `None` for a failure and for anything that is no such document.
pub(super) fn parse(text: &str) -> Option<Receipt> {
    // The size first: some of the parser's checks take the square of it.
    let document = (text.len() <= LARGEST).then(|| roxmltree::Document::parse(text).ok())??;
    let root = document.root_element();
    if root.tag_name().name() != "imdn" {
        return None;
    }
    let child = |name: &str| root.children().find(|child| child.tag_name().name() == name);
    let of = child("message-id")?.text()?.trim();
    let says = |notification: &str, status: &str| {
        child(notification)
            .is_some_and(|found| found.descendants().any(|node| node.tag_name().name() == status))
    };
    let kind = if says("display-notification", "displayed") {
        ReceiptKind::Displayed
    } else if says("delivery-notification", "delivered") {
        ReceiptKind::Delivered
    } else {
        return None;
    };
    (!of.is_empty()).then(|| Receipt { kind, of: of.into() })
}

/// Writes a receipt that `recipient` gives at `at`.
pub(super) fn print(receipt: &Receipt, recipient: &str, at: Timestamp) -> String {
    let (notification, status) = match receipt.kind {
        ReceiptKind::Displayed => ("display-notification", "displayed"),
        // What was taken back was delivered; there is no word for more.
        ReceiptKind::Delivered | ReceiptKind::Retracted => ("delivery-notification", "delivered"),
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\
         <message-id>{of}</message-id><datetime>{at}</datetime><recipient-uri>{recipient}</recipient-uri>\
         <{notification}><status><{status}/></status></{notification}></imdn>\r\n",
        of = escape(&receipt.of),
        recipient = escape(recipient),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Largest document that is looked at, in bytes.
const LARGEST: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_read_and_written() {
        for kind in [ReceiptKind::Delivered, ReceiptKind::Displayed] {
            let receipt = Receipt { kind, of: "a<&>b".into() };
            assert_eq!(parse(&print(&receipt, "sip:a@h", Timestamp(0))), Some(receipt));
        }
    }

    #[test]
    fn failure_is_no_receipt() {
        let text = "<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>1</message-id><delivery-notification>\
                    <status><failed/></status></delivery-notification></imdn>";
        assert_eq!(parse(text), None);
        assert_eq!(parse("<imdn/>"), None);
    }
}
