//! The name of a transport, for metrics and logs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::schema::ValueError;

/// Most characters of a name.
const MAX_LEN: usize = 32;

/// The name of one transport among several in a process.
///
/// It is the label `transport` of metrics and the field `transport` of log events. It has 1 to 32
/// characters `a`–`z`, `0`–`9`, `_` and `-`, and begins with a letter.
///
/// ```
/// use transport_core::TransportName;
///
/// let name: TransportName = "public".parse()?;
/// assert_eq!(name.as_str(), "public");
/// assert!("Public edge".parse::<TransportName>().is_err());
/// # Ok::<(), transport_core::schema::ValueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TransportName(Arc<str>);

impl TransportName {
    /// Returns the text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TransportName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let is_rest = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        if begins && text.len() <= MAX_LEN && text.chars().all(is_rest) {
            return Ok(Self(text.into()));
        }
        Err(ValueError::new(format!(
            "the name {text:?} of a transport must have 1 to {MAX_LEN} characters a-z, 0-9, _ and -, \
             and begin with a letter",
        )))
    }
}

impl fmt::Display for TransportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_valid_characters() {
        for text in ["a", "public", "edge-1", "a_b", &"x".repeat(32)] {
            assert_eq!(text.parse::<TransportName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_with_invalid_characters() {
        for text in [
            "",
            "1a",
            "-a",
            "A",
            "a b",
            "a\"",
            "a\n",
            "ä",
            "a.b",
            &"x".repeat(33),
        ] {
            let error = text.parse::<TransportName>().unwrap_err().to_string();
            assert!(error.contains("begin with a letter"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
