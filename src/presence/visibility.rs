//! Who may see an account's presence.

use crate::signal::Contact;

/// Where somebody stands towards an account's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// May see it.
    Allowed,
    /// Asked, or may ask; sees nothing.
    Undecided,
}

/// Where somebody stands: the owner sees herself, a contact what the owner granted.
#[must_use]
pub fn standing(is_owner: bool, contact: Option<&Contact>) -> Standing {
    if is_owner || contact.is_some_and(|contact| contact.from) {
        Standing::Allowed
    } else {
        Standing::Undecided
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Address;

    #[test]
    fn only_the_owner_and_granted_contacts_see() {
        let mut contact = Contact::new(Address::parse("bob@example.org").unwrap());
        assert_eq!(standing(true, None), Standing::Allowed);
        assert_eq!(standing(false, None), Standing::Undecided);
        contact.to = true;
        assert_eq!(standing(false, Some(&contact)), Standing::Undecided);
        contact.from = true;
        assert_eq!(standing(false, Some(&contact)), Standing::Allowed);
    }
}
