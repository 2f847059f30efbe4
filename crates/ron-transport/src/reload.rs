//! Applies another configuration to a running transport, whole or not at all.

use std::fmt;
use std::sync::PoisonError;

use transport_core::schema::{ConflictingSettings, Reload};

use crate::backend::tcp_config;
use crate::bound_addrs::{BoundAddrs, StagedAddrs};
use crate::config::{changed, check, Config};
use crate::transport::Transport;

/// The result of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReloadReport {
    /// The keys whose values changed. Some apply to new connections only.
    pub applied: Vec<&'static str>,
}

/// The reason why a reload was refused; the old configuration stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReloadError {
    /// The transport is shutting down.
    Draining,
    /// Keys changed that only a restart applies.
    NeedsRestart {
        /// The paths of the keys.
        keys: Vec<&'static str>,
    },
    /// Settings contradict each other.
    Invalid(ConflictingSettings),
    /// Files cannot be used: a certificate, a key, a trust store.
    ///
    /// Revocations apply all the same: authorities, CRLs, allow-lists, `tls.client_auth` and ticket
    /// keys hold for new connections, except those that cannot be used.
    Files(String),
    /// An added address cannot be bound.
    Bind(String),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draining => f.write_str("the transport is shutting down"),
            Self::NeedsRestart { keys } => write!(f, "needs a restart: {}", keys.join(", ")),
            Self::Invalid(error) => write!(f, "{error}"),
            Self::Files(error) | Self::Bind(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ReloadError {}

impl Transport {
    /// Applies another configuration, whole or not at all.
    ///
    /// Caps and rates apply at once, on open connections too; the rest applies to new connections.
    /// Added addresses of `bind_addr` are bound, and removed ones closed; connections and the sockets
    /// of other addresses stay.
    /// A refused reload changes nothing, except for revocations ([`ReloadError::Files`]). Caps and
    /// rates of a shared [`limiter`](crate::TransportBuilder::limiter) change by
    /// [`Limiter::apply`](transport_limits::Limiter::apply) on it, before the reload of each transport.
    ///
    /// ```
    /// use ron_transport::{Config, Transport};
    ///
    /// let transport = Transport::builder().build()?;
    /// let text = "[transport]\nmax_conns = 7";
    /// let loaded = Config::loader().toml_str(text, "example.toml").load()?;
    /// let report = transport.reload(loaded.into_settings())?;
    /// assert_eq!(report.applied, ["max_conns"]);
    /// assert_eq!(transport.config().limits.max_conns(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// With TLS, the call blocks on files.
    ///
    /// # Errors
    /// When a changed key needs a restart, when an added address cannot be bound, when settings contradict each other or those of a shared
    /// [`limiter`](crate::TransportBuilder::limiter), when a file cannot be used, and while the
    /// transport shuts down.
    pub fn reload(&self, config: Config) -> Result<ReloadReport, ReloadError> {
        let staged = self.stage_addrs(&config)?;
        let report = self.reload_settings(config)?;
        staged.commit();
        Ok(report)
    }

    /// Opens the sockets of added addresses, the first half of a [`reload`](Self::reload).
    ///
    /// For a service that reloads several transports, all or none: it stages the addresses of each,
    /// applies the [settings](Self::reload_settings) of each, and then
    /// [commits](StagedAddrs::commit) the addresses. Only the last step cannot fail.
    ///
    /// # Errors
    /// As [`reload`](Self::reload); the failure is counted and logged.
    pub fn stage_addrs(&self, config: &Config) -> Result<StagedAddrs, ReloadError> {
        let staged = self.staged(config);
        staged.inspect_err(|error| self.reload_rejected(error))
    }

    fn staged(&self, config: &Config) -> Result<StagedAddrs, ReloadError> {
        let current = self.config();
        let Some(bound) = self.bound.get() else {
            return Ok(StagedAddrs::default());
        };
        if current.general.bind_addrs() == config.general.bind_addrs() {
            return Ok(StagedAddrs::default());
        }
        self.unless_draining()?;
        plan(&current, config)?;
        let needs_restart = || ReloadError::NeedsRestart {
            keys: vec!["bind_addr"],
        };
        if !matches!(bound, BoundAddrs::Ip(_)) {
            return Err(needs_restart());
        }
        let tcp = tcp_config(config);
        let staged = bound.stage(config.general.bind_addrs(), &tcp);
        staged.map_err(|error| ReloadError::Bind(error.to_string()))
    }

    /// Applies another configuration, except for changed addresses.
    ///
    /// The second half of a [`reload`](Self::reload); see [`stage_addrs`](Self::stage_addrs).
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub fn reload_settings(&self, mut config: Config) -> Result<ReloadReport, ReloadError> {
        // A lock of its own: while files are read, other threads may read the configuration.
        let _one_at_a_time = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let planned = self
            .unless_draining()
            .and_then(|()| self.under_ceilings(&mut config))
            .and_then(|()| plan(&self.config(), &config));
        let applied = planned.and_then(|applied| {
            check(&config).map_err(ReloadError::Invalid)?;
            // The last step that can fail, and the first that changes anything.
            let files = self.backends.set(&config);
            files.map_err(|error| ReloadError::Files(error.to_string()))?;
            // A shutdown may have begun while the files were read.
            self.unless_draining()?;
            // Those of a shared limiter may have changed since.
            let limits = self.state.limiter.refreshed(&config.limits);
            let limits = self.state.limiter.apply(&limits);
            limits.map(|()| applied).map_err(ReloadError::Invalid)
        });
        match applied {
            Ok(applied) => {
                self.config.replace(config);
                self.state.observer.reloaded(true);
                tracing::info!(
                    target: "ron_transport",
                    transport = self.name(),
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

    /// Gives a configuration the ceilings of a shared limiter.
    fn under_ceilings(&self, config: &mut Config) -> Result<(), ReloadError> {
        let limits = self.state.limiter.effective(&config.limits);
        config.limits = limits.map_err(ReloadError::Invalid)?;
        Ok(())
    }

    fn unless_draining(&self) -> Result<(), ReloadError> {
        if self.state.stop.is_cancelled() {
            return Err(ReloadError::Draining);
        }
        Ok(())
    }

    /// Counts and logs a reload that failed before it yielded a configuration.
    ///
    /// Such a failure is an unreadable file or a value out of range.
    pub fn reload_rejected(&self, why: &dyn std::fmt::Display) {
        self.state.observer.reloaded(false);
        tracing::warn!(
            target: "ron_transport",
            transport = self.name(),
            event = "reload",
            result = "rejected",
            error = %why,
        );
    }
}

/// Returns the keys that change, unless one of them needs a restart.
fn plan(old: &Config, new: &Config) -> Result<Vec<&'static str>, ReloadError> {
    let changed = changed(old, new);
    // Whether the transport listens at all does not change.
    let listens = |config: &Config| !config.general.bind_addrs().is_empty();
    let starts_or_stops = listens(old) != listens(new);
    let keys: Vec<_> = changed
        .iter()
        .filter(|key| key.reload == Reload::Restart || starts_or_stops && key.path == "bind_addr")
        .map(|key| key.path)
        .collect();
    if !keys.is_empty() {
        return Err(ReloadError::NeedsRestart { keys });
    }
    Ok(changed.iter().map(|key| key.path).collect())
}
