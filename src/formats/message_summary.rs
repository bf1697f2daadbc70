//! How many messages wait (RFC 3842), as phones show it by a lamp.
//!
//! What waits are texts that nobody has seen; they are counted as `Text-Message` (RFC 3458 §6.2). No
//! message is old: what was handed out does not wait any more.

/// The media type of what is written here.
pub const MEDIA_TYPE: &str = "application/simple-message-summary";

/// Writes the summary for the account with this URI.
#[must_use]
pub fn print(waiting: u32, account: &str) -> String {
    let status = if waiting == 0 { "no" } else { "yes" };
    // A line break would begin another line of the summary.
    let account: String = account.chars().filter(|character| !character.is_control()).collect();
    format!("Messages-Waiting: {status}\r\nMessage-Account: {account}\r\nText-Message: {waiting}/0\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lamp_is_lit_while_something_waits() {
        assert_eq!(
            print(3, "sip:a@example.org"),
            "Messages-Waiting: yes\r\nMessage-Account: sip:a@example.org\r\nText-Message: 3/0\r\n"
        );
        assert!(
            print(0, "sip:a\r\nX: y").starts_with("Messages-Waiting: no\r\nMessage-Account: sip:aX: y\r\n")
        );
    }
}
