//! A failure as a sentence with an optional cause.

use std::error::Error;
use std::fmt;

use crate::error::BoxError;

/// A sentence for people, and the error that caused it.
///
/// `Display` shows the sentence alone; the cause is its [`source`](Error::source). Backends use it
/// where the text of a library may name a secret, such as a key path or an onion address.
#[derive(Debug)]
pub struct Failure {
    text: String,
    cause: Option<BoxError>,
}

impl Failure {
    /// Creates a failure without a cause.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            cause: None,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<BoxError>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_is_source_and_not_text() {
        let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
        let failure = Failure::new("tls cert read failed").caused_by(cause);
        assert_eq!(failure.to_string(), "tls cert read failed");
        assert!(failure.source().unwrap().is::<std::io::Error>());
        assert!(Failure::new("no").source().is_none());
    }
}
