//! The namespaces that a request binds for its node selector: `xmlns(prefix=uri)` of the query (RFC 4825 §6.4,
//! W3C XPointer framework and xmlns() scheme).

use super::SelectorError;

/// Prefixes and what they mean; of a prefix that comes twice the last counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bindings(Vec<(String, String)>);

impl Bindings {
    /// Reads a query that was percent-decoded. Parts of other schemes are ignored.
    ///
    /// # Errors
    /// It has not the form of an XPointer.
    pub(super) fn parse(query: &str) -> Result<Self, SelectorError> {
        let mut bindings = Vec::new();
        let mut rest = query.trim_start();
        while !rest.is_empty() {
            let (scheme, data) = rest.split_once('(').ok_or(SelectorError::Query)?;
            let (data, behind) = take_data(data).ok_or(SelectorError::Query)?;
            if scheme == "xmlns" {
                let (prefix, uri) = data.split_once('=').ok_or(SelectorError::Query)?;
                bindings.push((prefix.trim().to_owned(), uri.trim().to_owned()));
            }
            if bindings.len() > MOST {
                return Err(SelectorError::TooLong);
            }
            rest = behind.trim_start();
        }
        Ok(Self(bindings))
    }

    pub(super) fn find(&self, prefix: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == prefix).map(|(_, uri)| uri.as_str())
    }
}

/// What stands before the parenthesis that closes, `^` escapes taken away, and what stands behind it.
fn take_data(text: &str) -> Option<(String, &str)> {
    let mut data = String::new();
    let mut depth = 0_usize;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '^' => {
                let (_, escaped) = characters.next()?;
                data.push(matches!(escaped, '(' | ')' | '^').then_some(escaped)?);
            }
            ')' if depth == 0 => return Some((data, text.get(at + 1..)?)),
            other => {
                match other {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                data.push(other);
            }
        }
    }
    None
}

/// Bindings in one query.
const MOST: usize = 64;
