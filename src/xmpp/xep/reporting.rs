//! XEP-0377: Blocking Command Reports. Who blocks somebody may say why: the operator reads it. A report that cannot
//! be read keeps nobody from blocking; forwarding is the operator's own affair.

use minidom::Element;

use super::Module;
use crate::admin::{Complained, Complaint};

const NAMESPACE: &str = "urn:xmpp:reporting:1";

pub(super) const MODULE: Module =
    Module { server_features: &[NAMESPACE], account_features: &[NAMESPACE], ..Module::NONE };

/// The report within an item that is to be blocked; `None` where there is none, or it has no reason.
pub(super) fn parse(item: &Element) -> Option<Complaint> {
    let report = item.get_child("report", NAMESPACE)?;
    let reason = match report.attr("reason")? {
        "urn:xmpp:reporting:spam" => Complained::Spam,
        _ => Complained::Abuse,
    };
    let texts = report.children().filter(|child| child.is("text", NAMESPACE));
    let mut text = String::new();
    for line in texts.map(|text| text.text()).map(|line| line.trim().to_owned()) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    let ids = report.children().filter(|child| child.is("stanza-id", SIDS));
    let ids = ids.filter_map(|child| child.attr("id")).filter(|id| id.len() <= ID_BYTES);
    Some(Complaint {
        reason,
        text: text.chars().take(TEXT_CHARACTERS).collect(),
        messages: ids.take(MESSAGES).map(str::to_owned).collect(),
        may_tell_origin: report.has_child("report-origin", NAMESPACE),
        may_tell_others: report.has_child("third-party", NAMESPACE),
    })
}

const SIDS: &str = "urn:xmpp:sid:0";
/// What is kept of the words of a report.
const TEXT_CHARACTERS: usize = 2000;
/// How many messages a report may name.
const MESSAGES: usize = 20;
/// Longest id of a message that is kept.
const ID_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(report: &str) -> Option<Complaint> {
        parse(&format!("<item xmlns='urn:xmpp:blocking' jid='romeo@x'>{report}</item>").parse().unwrap())
    }

    /// The example of §6, with the opt-in of §5.
    #[test]
    fn a_report_is_read_with_all_it_says() {
        let report = "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>\
            <stanza-id xmlns='urn:xmpp:sid:0' by='romeo@example.net' id='28482-98726-73623'/>\
            <stanza-id xmlns='urn:xmpp:sid:0' by='romeo@example.net' id='38383-38018-18385'/>\
            <text xml:lang='en'>\n  Never came trouble to my house like this.\n </text><report-origin/></report>";
        let expected = Complaint {
            reason: Complained::Spam,
            text: "Never came trouble to my house like this.".to_owned(),
            messages: vec!["28482-98726-73623".to_owned(), "38383-38018-18385".to_owned()],
            may_tell_origin: true,
            may_tell_others: false,
        };
        assert_eq!(read(report), Some(expected));
        let basic = read("<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:abuse'/>").unwrap();
        assert_eq!((basic.reason, basic.text.as_str()), (Complained::Abuse, ""));
        for none in ["", "<report xmlns='urn:xmpp:reporting:1'/>", "<report xmlns='other' reason='x'/>"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_kept_of_a_report_is_bounded() {
        let ids = "<stanza-id xmlns='urn:xmpp:sid:0' id='1'/>".repeat(30);
        let (long, text) = ("x".repeat(200), "ü".repeat(3000));
        let report = format!(
            "<report xmlns='urn:xmpp:reporting:1' reason='urn:x'><stanza-id xmlns='urn:xmpp:sid:0' id='{long}'/>\
             {ids}<text>{text}</text></report>"
        );
        let complaint = read(&report).unwrap();
        assert_eq!(complaint.messages, vec!["1"; MESSAGES]);
        assert_eq!(complaint.text.chars().count(), TEXT_CHARACTERS);
    }
}
