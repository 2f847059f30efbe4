//! Settings that contradict each other.

use std::fmt;

use super::ValueError;
use crate::TransportError;

/// Settings that contradict each other: never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRules(Vec<(&'static str, ValueError)>);

impl BrokenRules {
    /// From what is broken: the path to blame, and what is wrong with it.
    ///
    /// # Errors
    /// When that is anything.
    pub fn unless_none(broken: Vec<(&'static str, ValueError)>) -> Result<(), Self> {
        if broken.is_empty() {
            return Ok(());
        }
        Err(Self(broken))
    }
}

impl fmt::Display for BrokenRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (path, error)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{path}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BrokenRules {}

impl From<BrokenRules> for TransportError {
    fn from(error: BrokenRules) -> Self {
        Self::Config {
            source: Box::new(error),
        }
    }
}
