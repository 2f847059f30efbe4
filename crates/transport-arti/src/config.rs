//! The settings of the Tor backend.

mod onion;
mod table;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use transport_core::schema::ValueError;

pub use onion::OnionServiceConfig;

/// Longest bootstrap timeout: a day.
const MAX_BOOTSTRAP: Duration = Duration::from_secs(24 * 3600);
/// Longest pause before a dial; it counts towards `dial_timeout`, which is seconds.
const MAX_PRE_DIAL_DELAY: Duration = Duration::from_secs(60);

/// The behaviour of a dial during the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::exhaustive_enums)] // A dial cannot do anything else.
pub enum DialWhileBootstrapping {
    /// It fails at once.
    #[default]
    Fail,
    /// It waits, up to the dial deadline.
    Wait,
}

transport_core::choice!(pub DialWhileBootstrapping {
    Fail: "fail",
    Wait: "wait",
});

/// The connections that may share a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Isolation {
    /// All connections.
    None,
    /// Connections to the same host and port.
    #[default]
    Destination,
    /// None: each connection has its own circuit.
    Stream,
}

transport_core::choice!(pub Isolation {
    None: "none",
    Destination: "destination",
    Stream: "stream",
});

/// The settings of the Tor backend.
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

transport_core::accessors! {
    impl ArtiConfig {
        /// Longest bootstrap before the transport is not ready.
        bootstrap_timeout: Duration;
        /// Pause before each dial; zero is none.
        pre_dial_delay: Duration;
        /// The behaviour of a dial during the bootstrap.
        dial_while_bootstrapping, set_dial_while_bootstrapping: DialWhileBootstrapping;
        /// The connections that may share a circuit.
        isolation, set_isolation: Isolation;
    }
}

impl ArtiConfig {
    /// Returns Arti's state directory; `None` is the platform's default.
    #[must_use]
    pub fn state_dir(&self) -> Option<&Path> {
        self.state_dir.as_deref()
    }

    /// Returns Arti's cache directory; `None` is the platform's default.
    #[must_use]
    pub fn cache_dir(&self) -> Option<&Path> {
        self.cache_dir.as_deref()
    }

    /// Returns Arti's own configuration file; these settings override it.
    #[must_use]
    pub fn config_path(&self) -> Option<&Path> {
        self.config_path.as_deref()
    }

    /// Returns the settings of the onion service.
    #[must_use]
    pub const fn onion_service(&self) -> &OnionServiceConfig {
        &self.onion_service
    }

    /// Returns the settings of the onion service for changes.
    pub fn onion_service_mut(&mut self) -> &mut OnionServiceConfig {
        &mut self.onion_service
    }
}

/// Setters that validate. A refused value leaves the setting unchanged.
///
/// # Errors
/// A sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl ArtiConfig {
    /// Sets the bootstrap timeout: over 0, at most a day.
    pub fn set_bootstrap_timeout(&mut self, limit: Duration) -> Result<&mut Self, ValueError> {
        if limit.is_zero() || limit > MAX_BOOTSTRAP {
            return Err(ValueError::new("must be over 0, at most 24h"));
        }
        self.bootstrap_timeout = limit;
        Ok(self)
    }

    /// Sets the pause before each dial: at most a minute.
    pub fn set_pre_dial_delay(&mut self, delay: Duration) -> Result<&mut Self, ValueError> {
        if delay > MAX_PRE_DIAL_DELAY {
            return Err(ValueError::new("must be 0 to 60s"));
        }
        self.pre_dial_delay = delay;
        Ok(self)
    }

    /// Sets Arti's state directory: absolute, or `None`.
    pub fn set_state_dir(&mut self, dir: Option<PathBuf>) -> Result<&mut Self, ValueError> {
        self.state_dir = absolute(dir)?;
        Ok(self)
    }

    /// Sets Arti's cache directory: absolute, or `None`.
    pub fn set_cache_dir(&mut self, dir: Option<PathBuf>) -> Result<&mut Self, ValueError> {
        self.cache_dir = absolute(dir)?;
        Ok(self)
    }

    /// Sets Arti's own configuration file: absolute, or `None`.
    pub fn set_config_path(&mut self, path: Option<PathBuf>) -> Result<&mut Self, ValueError> {
        self.config_path = absolute(path)?;
        Ok(self)
    }
}

/// Refuses a path relative to the working directory.
///
/// The error does not contain the path.
fn absolute(path: Option<PathBuf>) -> Result<Option<PathBuf>, ValueError> {
    if path.as_ref().is_some_and(|path| !path.is_absolute()) {
        return Err(ValueError::new("must be an absolute path"));
    }
    Ok(path)
}
