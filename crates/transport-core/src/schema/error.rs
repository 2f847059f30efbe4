//! Rejected values, and conflicts between settings.

use std::fmt;

use crate::TransportError;

/// A rejected value: a sentence that says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError(String);

impl ValueError {
    /// Creates an error with this sentence.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ValueError {}

/// A non-empty set of conflicting settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictingSettings(Vec<(&'static str, ValueError)>);

impl ConflictingSettings {
    /// Returns an error unless the list of conflicts is empty.
    ///
    /// Each conflict is the path of the key at fault and the reason.
    ///
    /// # Errors
    /// All conflicts of the list.
    pub fn into_result(conflicts: Vec<(&'static str, ValueError)>) -> Result<(), Self> {
        if conflicts.is_empty() {
            return Ok(());
        }
        Err(Self(conflicts))
    }
}

impl fmt::Display for ConflictingSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (path, error)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{path}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConflictingSettings {}

impl From<ConflictingSettings> for TransportError {
    fn from(error: ConflictingSettings) -> Self {
        Self::Config {
            source: Box::new(error),
        }
    }
}
