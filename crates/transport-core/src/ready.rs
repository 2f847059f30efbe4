//! Readiness in three states, with stable reasons.

use std::fmt;

/// The readiness of a transport, from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // Probes map exactly these three.
pub enum ReadyState {
    /// The transport cannot serve.
    NotReady {
        /// The reason.
        reason: ReadyReason,
    },
    /// The transport is usable but impaired.
    Degraded {
        /// The reason.
        reason: ReadyReason,
    },
    /// The transport accepts and dials.
    Ready,
}

impl ReadyState {
    /// Returns the value of `transport_readiness`.
    ///
    /// 0 is not ready, 1 degraded, 2 ready.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::NotReady { .. } => 0,
            Self::Degraded { .. } => 1,
            Self::Ready => 2,
        }
    }

    /// Returns the metric label `state`: `ready`, `degraded` or `not_ready`.
    #[must_use]
    pub const fn state(self) -> &'static str {
        match self {
            Self::NotReady { .. } => "not_ready",
            Self::Degraded { .. } => "degraded",
            Self::Ready => "ready",
        }
    }

    /// Returns the reason of a state other than ready.
    #[must_use]
    pub const fn reason(self) -> Option<ReadyReason> {
        match self {
            Self::NotReady { reason } | Self::Degraded { reason } => Some(reason),
            Self::Ready => None,
        }
    }

    /// Returns all states, for registering series before the first transition.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let not_ready = ReadyReason::NOT_READY.map(|reason| Self::NotReady { reason });
        let degraded = ReadyReason::DEGRADED.map(|reason| Self::Degraded { reason });
        let mut all = vec![Self::Ready];
        all.extend(degraded);
        all.extend(not_ready);
        all
    }
}

impl fmt::Display for ReadyState {
    /// Prints exactly `Ready`, `Degraded("arti_bootstrap")` or `NotReady("tls")`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("Ready"),
            Self::Degraded { reason } => write!(f, "Degraded(\"{reason}\")"),
            Self::NotReady { reason } => write!(f, "NotReady(\"{reason}\")"),
        }
    }
}

/// The reason of a state other than [`ReadyState::Ready`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadyReason {
    /// The transport has not bound its address yet.
    Starting,
    /// The address could not be bound.
    BindFailed,
    /// The certificate or key cannot be used.
    Tls,
    /// Tor is bootstrapping.
    ArtiBootstrap,
    /// Tor did not bootstrap in time; the bootstrap continues.
    ArtiBootstrapTimeout,
    /// The transport is shutting down.
    Draining,
    /// The transport has shut down.
    Stopped,
    /// The transport accepts no connection until memory is free again.
    Overload,
    /// No upstream of the service answers.
    Upstream,
}

impl ReadyReason {
    /// The reasons of [`ReadyState::Degraded`].
    pub const DEGRADED: [Self; 3] = [Self::ArtiBootstrap, Self::Overload, Self::Upstream];

    /// The reasons of [`ReadyState::NotReady`].
    pub const NOT_READY: [Self; 6] = [
        Self::Starting,
        Self::BindFailed,
        Self::Tls,
        Self::ArtiBootstrapTimeout,
        Self::Draining,
        Self::Stopped,
    ];

    /// Returns the stable text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::BindFailed => "bind_failed",
            Self::Tls => "tls",
            Self::ArtiBootstrap => "arti_bootstrap",
            Self::ArtiBootstrapTimeout => "arti_bootstrap_timeout",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Overload => "overload",
            Self::Upstream => "upstream",
        }
    }
}

impl fmt::Display for ReadyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_exact() {
        let degraded = ReadyState::Degraded {
            reason: ReadyReason::ArtiBootstrap,
        };
        let not_ready = ReadyState::NotReady {
            reason: ReadyReason::Tls,
        };
        assert_eq!(ReadyState::Ready.to_string(), "Ready");
        assert_eq!(degraded.to_string(), "Degraded(\"arti_bootstrap\")");
        assert_eq!(not_ready.to_string(), "NotReady(\"tls\")");
        assert!(not_ready.level() < degraded.level());
        assert!(degraded.level() < ReadyState::Ready.level());
    }
}
