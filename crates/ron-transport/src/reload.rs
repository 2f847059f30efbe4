//! Putting another configuration in force, whole or not at all.

use std::fmt;

use transport_core::schema::Reload;
use transport_limits::LimitsError;

use crate::config::{changed, Config};

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReloadReport {
    /// The keys whose values changed, and are in force now; some for new connections only.
    pub applied: Vec<&'static str>,
}

/// Why a reload was refused. What was in force before still is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReloadError {
    /// The transport is shutting down.
    Draining,
    /// These keys changed, and a change of them needs a restart.
    NeedsRestart {
        /// Their paths.
        keys: Vec<&'static str>,
    },
    /// Settings contradict each other.
    Invalid(LimitsError),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draining => f.write_str("the transport is shutting down"),
            Self::NeedsRestart { keys } => write!(f, "needs a restart: {}", keys.join(", ")),
            Self::Invalid(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ReloadError {}

/// The keys that would change, unless one of them needs a restart.
pub(crate) fn plan(old: &Config, new: &Config) -> Result<Vec<&'static str>, ReloadError> {
    let changed = changed(old, new);
    let restart = |reload| matches!(reload, Reload::Restart);
    let keys: Vec<_> = changed
        .iter()
        .filter(|key| restart(key.reload))
        .map(|key| key.path)
        .collect();
    if !keys.is_empty() {
        return Err(ReloadError::NeedsRestart { keys });
    }
    Ok(changed.iter().map(|key| key.path).collect())
}
