//! What is wrong with a configuration: all of it, at once.

use std::fmt;

use transport_core::escape::escape;

use super::settings::is_secret;
use super::Source;

/// Longest key or value an error shows, in characters.
const MAX_CHARS: usize = 120;
/// Errors that are shown; of more, the number is.
pub(super) const MAX_SHOWN: usize = 100;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    key: Option<String>,
    source: Source,
    value: Option<String>,
    message: String,
}

impl ConfigError {
    /// About a whole source: a file that cannot be read, a variable that nothing knows.
    pub(super) fn of_source(source: Source, message: impl Into<String>) -> Self {
        Self {
            key: None,
            source,
            value: None,
            message: message.into(),
        }
    }

    /// About a key whose value does not matter.
    pub(super) fn of_key(key: &str, source: Source, message: impl Into<String>) -> Self {
        Self {
            key: Some(shorten(key)),
            source,
            value: None,
            message: message.into(),
        }
    }

    /// About a key's value, which is left out where it must not be shown. What is allowed is added
    /// where the message does not say it.
    pub(super) fn of_value(
        key: &str,
        source: Source,
        value: &str,
        message: &str,
        rule: &str,
    ) -> Self {
        let secret = is_secret(key) || names_onion(value);
        let message = match message {
            // A section's own sentence may quote the value.
            m if secret && !value.is_empty() && m.contains(value) => format!("must be {rule}"),
            m if rule.is_empty() || m.contains(rule) => m.to_owned(),
            m => format!("{m} (allowed: {rule})"),
        };
        let value = (!secret).then(|| shorten(value));
        Self {
            key: Some(key.to_owned()),
            source,
            value,
            message,
        }
    }

    /// The key with its table (`transport.max_conns`), where the error is about one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Where the value came from.
    #[must_use]
    pub fn origin(&self) -> &Source {
        &self.source
    }

    /// The offending value; `None` where it is not to be shown (every `*key_path`, a value with an
    /// `.onion` name in it) or does not matter.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What is wrong, and what is allowed.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            source,
            value,
            message,
        } = self;
        match (key, value) {
            (Some(key), Some(value)) => {
                let (key, value) = (escape(key), escape(value).quoted());
                write!(f, "{key} = {value} ({source}): {message}")
            }
            (Some(key), None) => write!(f, "{} ({source}): {message}", escape(key)),
            (None, _) => write!(f, "{source}: {message}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Everything that is wrong, in a stable order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The value, or the errors where there are any.
    pub(super) fn unless_empty<T>(errors: Vec<ConfigError>, value: T) -> Result<T, Self> {
        if errors.is_empty() {
            return Ok(value);
        }
        Err(Self(errors))
    }

    /// One by one.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One error on one line, or a headline and a line for each.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(f, "configuration: {only}");
        }
        write!(f, "{} errors in the configuration:", self.0.len())?;
        for error in self.0.iter().take(MAX_SHOWN) {
            write!(f, "\n  {error}")?;
        }
        match self.0.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl std::error::Error for ConfigErrors {}

/// Errors of a reload go to the log, where the name of an onion service has no place.
fn names_onion(value: &str) -> bool {
    value.to_ascii_lowercase().contains(".onion")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
