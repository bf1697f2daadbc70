//! What the server announces of itself because the configuration says so, with the forms of XEP-0128: where to send
//! complaints (XEP-0157), how large a file may be (XEP-0363).

use super::{
    disco::Identity,
    external_services,
    form::{self, Field},
    search, upload,
};
use crate::xmpp::Config;

/// Whether people can look for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::xmpp) enum Directory {
    Open,
    None,
}

/// Made once, when the server starts.
#[derive(Debug, Default)]
pub(in crate::xmpp) struct Announced {
    /// What the server is besides an instant messaging server.
    pub(super) identities: Vec<Identity>,
    pub(super) features: Vec<&'static str>,
    /// By their types.
    forms: Vec<(&'static str, Vec<Field>)>,
}

impl Announced {
    /// `file_bytes` is the size of the largest file that is taken, 0 for none.
    pub(in crate::xmpp) fn new(config: &Config, file_bytes: u64, directory: Directory) -> Self {
        let mut announced = Self::default();
        if !config.contacts.is_empty() {
            announced.forms.push((SERVER_INFO, contact_fields(config)));
        }
        if !config.upload.is_empty() && file_bytes > 0 {
            // By this clients look for it.
            announced.identities.push(upload::IDENTITY);
            announced.features.push(upload::NAMESPACE);
            let most = Field::new("max-file-size", "text-single", "").with([file_bytes.to_string()]);
            announced.forms.push((upload::NAMESPACE, vec![most]));
        }
        if !config.external_services.is_empty() {
            announced.features.push(external_services::NAMESPACE);
        }
        if directory == Directory::Open {
            announced.identities.push(DIRECTORY);
            announced.features.push(search::NAMESPACE);
        }
        announced
    }

    /// The forms, for an answer of XEP-0030.
    pub(super) fn print_forms(&self) -> String {
        self.forms.iter().map(|(form_type, fields)| form::print("result", form_type, "", fields)).collect()
    }

    /// Markup of the identities.
    pub(super) fn print_identities(&self) -> String {
        self.identities.iter().map(Identity::print).collect()
    }

    /// The forms as XEP-0115 §5.1 hashes them.
    pub(super) fn caps_text(&self) -> String {
        let mut forms: Vec<_> = self.forms.iter().collect();
        forms.sort_by_key(|(form_type, _)| *form_type);
        let mut text = String::new();
        for (form_type, fields) in forms {
            text.push_str(&format!("{form_type}<"));
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|field| field.name);
            for field in fields {
                let mut values: Vec<_> = field.values.iter().map(String::as_str).collect();
                values.sort_unstable();
                text.push_str(&format!("{}<", field.name));
                values.iter().for_each(|value| text.push_str(&format!("{value}<")));
            }
        }
        text
    }
}

fn contact_fields(config: &Config) -> Vec<Field> {
    let known = CONTACTS.iter().filter_map(|(name, field)| Some((config.contacts.get(*name)?, *field)));
    known.map(|(addresses, field)| Field::new(field, "list-multi", "").with(addresses.clone())).collect()
}

const DIRECTORY: Identity = Identity { category: "directory", kind: "user", name: "" };
const SERVER_INFO: &str = "http://jabber.org/network/serverinfo";

/// The kinds of addresses in the configuration, and their fields.
pub(in crate::xmpp) const CONTACTS: [(&str, &str); 7] = [
    ("abuse", "abuse-addresses"),
    ("admin", "admin-addresses"),
    ("feedback", "feedback-addresses"),
    ("sales", "sales-addresses"),
    ("security", "security-addresses"),
    ("status", "status-addresses"),
    ("support", "support-addresses"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_announced_and_hashed_in_order() {
        let text = "contacts = { support = ['xmpp:b@x', 'mailto:a@x'], abuse = ['mailto:abuse@x'] }";
        let announced = Announced::new(&toml::from_str(text).unwrap(), 1000, Directory::None);
        assert_eq!(announced.features, ["urn:xmpp:http:upload:0"]);
        assert_eq!(
            announced.caps_text(),
            "http://jabber.org/network/serverinfo<abuse-addresses<mailto:abuse@x<support-addresses<mailto:a@x<\
             xmpp:b@x<urn:xmpp:http:upload:0<max-file-size<1000<"
        );
        let forms = announced.print_forms();
        assert!(
            forms.contains("<field var='max-file-size' type='text-single'><value>1000</value>"),
            "{forms}"
        );
        let nothing = Announced::new(&toml::from_str("upload = ''").unwrap(), 1000, Directory::None);
        assert_eq!((nothing.print_forms(), nothing.features.len()), (String::new(), 0));
    }
}
