//! The settings of the Tor backend: typed, in range by construction, and described as keys.

mod keys;
mod onion;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use transport_core::schema::ValueError;

pub use onion::OnionServiceConfig;

/// Longest wait for a bootstrap before it counts as late: a day.
const MAX_BOOTSTRAP: Duration = Duration::from_secs(24 * 3600);
/// Longest pause before a dial. It passes within `dial_timeout`, which is seconds.
const MAX_PRE_DIAL_DELAY: Duration = Duration::from_secs(60);

/// What a dial does before Tor can carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DialWhileBootstrapping {
    /// It fails at once.
    #[default]
    Fail,
    /// It waits, up to the dial deadline.
    Wait,
}

/// Which connections may share a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// All of them.
    None,
    /// Those to the same host and port.
    #[default]
    Destination,
    /// Each has its own.
    Stream,
}

/// Settings of the Tor backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtiConfig {
    bootstrap_timeout: Duration,
    pre_dial_delay: Duration,
    dial_while_bootstrapping: DialWhileBootstrapping,
    isolation: Isolation,
    state_dir: Option<PathBuf>,
    cache_dir: Option<PathBuf>,
    config_path: Option<PathBuf>,
    onion_service: OnionServiceConfig,
}

impl Default for ArtiConfig {
    fn default() -> Self {
        Self {
            bootstrap_timeout: Duration::from_secs(30),
            pre_dial_delay: Duration::ZERO,
            dial_while_bootstrapping: DialWhileBootstrapping::default(),
            isolation: Isolation::default(),
            state_dir: None,
            cache_dir: None,
            config_path: None,
            onion_service: OnionServiceConfig::default(),
        }
    }
}

/// Reads of one field each.
impl ArtiConfig {
    /// How long a bootstrap may take before the transport is not ready.
    #[must_use]
    pub const fn bootstrap_timeout(&self) -> Duration {
        self.bootstrap_timeout
    }

    /// Pause before each dial; zero is none.
    #[must_use]
    pub const fn pre_dial_delay(&self) -> Duration {
        self.pre_dial_delay
    }

    /// What a dial does before Tor can carry it.
    #[must_use]
    pub const fn dial_while_bootstrapping(&self) -> DialWhileBootstrapping {
        self.dial_while_bootstrapping
    }

    /// Which connections may share a circuit.
    #[must_use]
    pub const fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Where Arti keeps its state; `None` is the platform's place.
    #[must_use]
    pub fn state_dir(&self) -> Option<&Path> {
        self.state_dir.as_deref()
    }

    /// Where Arti keeps its cache; `None` is the platform's place.
    #[must_use]
    pub fn cache_dir(&self) -> Option<&Path> {
        self.cache_dir.as_deref()
    }

    /// Arti's own configuration file, which is laid under these settings.
    #[must_use]
    pub fn config_path(&self) -> Option<&Path> {
        self.config_path.as_deref()
    }

    /// The onion service.
    #[must_use]
    pub const fn onion_service(&self) -> &OnionServiceConfig {
        &self.onion_service
    }

    /// The onion service, to be changed.
    pub fn onion_service_mut(&mut self) -> &mut OnionServiceConfig {
        &mut self.onion_service
    }
}

/// Setters: each refuses what is out of range and leaves the setting as it was.
///
/// # Errors
/// Those that return a `Result`: a sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl ArtiConfig {
    /// How long a bootstrap may take before the transport is not ready: over 0, at most a day.
    pub fn set_bootstrap_timeout(&mut self, limit: Duration) -> Result<&mut Self, ValueError> {
        if limit.is_zero() || limit > MAX_BOOTSTRAP {
            return Err(ValueError::new("must be over 0, at most 24h"));
        }
        self.bootstrap_timeout = limit;
        Ok(self)
    }

    /// Pause before each dial: at most a minute; zero is none.
    pub fn set_pre_dial_delay(&mut self, delay: Duration) -> Result<&mut Self, ValueError> {
        if delay > MAX_PRE_DIAL_DELAY {
            return Err(ValueError::new("must be 0 to 60s"));
        }
        self.pre_dial_delay = delay;
        Ok(self)
    }

    /// What a dial does before Tor can carry it.
    pub fn set_dial_while_bootstrapping(&mut self, choice: DialWhileBootstrapping) -> &mut Self {
        self.dial_while_bootstrapping = choice;
        self
    }

    /// Which connections may share a circuit.
    pub fn set_isolation(&mut self, isolation: Isolation) -> &mut Self {
        self.isolation = isolation;
        self
    }

    /// Where Arti keeps its state: an absolute path, or `None` for the platform's place.
    pub fn set_state_dir(&mut self, dir: Option<PathBuf>) -> Result<&mut Self, ValueError> {
        self.state_dir = absolute(dir)?;
        Ok(self)
    }

    /// Where Arti keeps its cache: an absolute path, or `None` for the platform's place.
    pub fn set_cache_dir(&mut self, dir: Option<PathBuf>) -> Result<&mut Self, ValueError> {
        self.cache_dir = absolute(dir)?;
        Ok(self)
    }

    /// Arti's own configuration file: an absolute path, or `None`.
    pub fn set_config_path(&mut self, path: Option<PathBuf>) -> Result<&mut Self, ValueError> {
        self.config_path = absolute(path)?;
        Ok(self)
    }
}

/// Refuses a path that depends on where the process was started, without showing it.
fn absolute(path: Option<PathBuf>) -> Result<Option<PathBuf>, ValueError> {
    if path.as_ref().is_some_and(|path| !path.is_absolute()) {
        return Err(ValueError::new("must be an absolute path"));
    }
    Ok(path)
}
