//! Putting another configuration in force, whole or not at all.

use std::fmt;
use std::sync::PoisonError;

use transport_core::schema::{ConflictingSettings, Reload};

use crate::config::{changed, check, Config};
use crate::transport::Transport;

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReloadReport {
    /// The keys whose values changed, and are in force now; some for new connections only.
    pub applied: Vec<&'static str>,
}

/// Why a reload was refused. What was in force before still is; see [`ReloadError::Files`].
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
    Invalid(ConflictingSettings),
    /// Files that the settings name cannot be used: a certificate, a key, a trust store.
    ///
    /// A revocation does not wait: authorities, CRLs, allow-lists, `tls.client_auth` and ticket keys
    /// apply for new connections all the same, unless one of them is what cannot be used.
    Files(String),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draining => f.write_str("the transport is shutting down"),
            Self::NeedsRestart { keys } => write!(f, "needs a restart: {}", keys.join(", ")),
            Self::Invalid(error) => write!(f, "{error}"),
            Self::Files(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ReloadError {}

impl Transport {
    /// Puts another configuration in force: caps and rates at once, on open connections too, the
    /// rest for new ones. It is validated whole first; what is refused changes nothing, but for
    /// withdrawn trust ([`ReloadError::Files`]).
    ///
    /// # Errors
    /// When a key changed that needs a restart, when settings contradict each other or name files
    /// that cannot be used, and while the transport shuts down. With TLS it blocks on files.
    pub fn reload(&self, config: Config) -> Result<ReloadReport, ReloadError> {
        // Not the lock of the configuration: files are read, and others want to look at it.
        let _one_at_a_time = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let planned = self
            .unless_draining()
            .and_then(|()| plan(&self.config(), &config));
        let applied = planned.and_then(|applied| {
            check(&config).map_err(ReloadError::Invalid)?;
            // The step that can still fail, and the first that changes anything.
            let files = self.live.set(&config);
            files.map_err(|error| ReloadError::Files(error.to_string()))?;
            // Files may have taken their time; what accepts no more needs none of them.
            self.unless_draining()?;
            let limits = self.shared.limiter.apply(&config.limits);
            limits.map(|()| applied).map_err(ReloadError::Invalid)
        });
        match applied {
            Ok(applied) => {
                self.config.replace(config);
                self.shared.observer.reloaded(true);
                tracing::info!(
                    target: "ron_transport",
                    event = "reload",
                    result = "ok",
                    keys = applied.join(","),
                );
                Ok(ReloadReport { applied })
            }
            Err(error) => {
                self.reload_rejected(&error);
                Err(error)
            }
        }
    }

    fn unless_draining(&self) -> Result<(), ReloadError> {
        if self.shared.stop.is_cancelled() {
            return Err(ReloadError::Draining);
        }
        Ok(())
    }

    /// Counts and logs a reload that failed before there was a configuration to put in force: a
    /// file that could not be read, a value out of range.
    pub fn reload_rejected(&self, why: &dyn std::fmt::Display) {
        self.shared.observer.reloaded(false);
        tracing::warn!(
            target: "ron_transport",
            event = "reload",
            result = "rejected",
            error = %why,
        );
    }
}

/// The keys that would change, unless one of them needs a restart.
fn plan(old: &Config, new: &Config) -> Result<Vec<&'static str>, ReloadError> {
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
