//! Errors of a configuration, reported all at once.

use std::fmt;

use transport_core::escape::escape;

use super::settings::is_secret;
use super::Source;

/// Longest key or value in an error text, in characters.
const MAX_CHARS: usize = 120;
/// Errors that are printed; the rest is counted.
pub(super) const MAX_SHOWN: usize = 100;

/// A configuration error: key, source, value and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    key: Option<String>,
    source: Source,
    value: Option<String>,
    message: String,
}

impl ConfigError {
    /// An error of a source: an unreadable file, an unknown variable.
    pub(super) fn of_source(source: Source, message: impl Into<String>) -> Self {
        Self {
            key: None,
            source,
            value: None,
            message: message.into(),
        }
    }

    /// An error of a key, whatever its value.
    pub(super) fn of_key(key: &str, source: Source, message: impl Into<String>) -> Self {
        Self {
            key: Some(shorten(key)),
            source,
            value: None,
            message: message.into(),
        }
    }

    /// An error of a value. Secret values are hidden.
    ///
    /// The allowed values are appended unless the message has them.
    pub(super) fn of_value(
        key: &str,
        source: Source,
        value: &str,
        message: &str,
        rule: &str,
    ) -> Self {
        let secret = is_secret(key) || names_onion(value);
        let message = match message {
            // The message of a section may quote the value.
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

    /// Returns the key with its table, such as `transport.max_conns`.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns the source of the value.
    #[must_use]
    pub fn origin(&self) -> &Source {
        &self.source
    }

    /// Returns the rejected value; `None` if it is secret or irrelevant.
    ///
    /// Secret are every `*key_path`, `dial.via`, and values with an `.onion` name.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Returns the reason and the allowed values.
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

/// All errors of a configuration, in a stable order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Returns the value, or the errors if there are any.
    pub(super) fn unless_empty<T>(errors: Vec<ConfigError>, value: T) -> Result<T, Self> {
        if errors.is_empty() {
            return Ok(value);
        }
        Err(Self(errors))
    }

    /// Iterates over the errors.
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

/// Prints one error on one line, several below a headline.
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

/// Returns whether a value has an onion name, which logs hide.
fn names_onion(value: &str) -> bool {
    value.to_ascii_lowercase().contains(".onion")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
