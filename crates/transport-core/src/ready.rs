//! Tri-state readiness with stable reasons.

use std::fmt;

/// Whether the transport can serve. The order is from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadyState {
    /// It cannot serve.
    NotReady {
        /// Why.
        reason: ReadyReason,
    },
    /// It is usable but impaired.
    Degraded {
        /// Why.
        reason: ReadyReason,
    },
    /// It can accept and dial.
    Ready,
}

impl ReadyState {
    /// 0 not ready, 1 degraded, 2 ready: the value of `transport_readiness`.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::NotReady { .. } => 0,
            Self::Degraded { .. } => 1,
            Self::Ready => 2,
        }
    }

    /// `ready`, `degraded` or `not_ready`: the metric label `state`.
    #[must_use]
    pub const fn state(self) -> &'static str {
        match self {
            Self::NotReady { .. } => "not_ready",
            Self::Degraded { .. } => "degraded",
            Self::Ready => "ready",
        }
    }

    /// Why it is not ready or degraded.
    #[must_use]
    pub const fn reason(self) -> Option<ReadyReason> {
        match self {
            Self::NotReady { reason } | Self::Degraded { reason } => Some(reason),
            Self::Ready => None,
        }
    }

    /// Every state that can exist, for registering series before the first transition.
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

/// Why a transport is not [`ReadyState::Ready`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadyReason {
    /// It has not bound yet.
    Starting,
    /// The address could not be bound.
    BindFailed,
    /// Certificate or key could not be used.
    Tls,
    /// Tor is bootstrapping.
    ArtiBootstrap,
    /// Tor did not bootstrap in time; it keeps trying.
    ArtiBootstrapTimeout,
    /// It is shutting down.
    Draining,
    /// It has shut down.
    Stopped,
    /// It takes no new connection until memory is free again.
    Overload,
}

impl ReadyReason {
    /// The reasons that come with [`ReadyState::Degraded`].
    pub const DEGRADED: [Self; 2] = [Self::ArtiBootstrap, Self::Overload];

    /// The reasons that come with [`ReadyState::NotReady`].
    pub const NOT_READY: [Self; 6] = [
        Self::Starting,
        Self::BindFailed,
        Self::Tls,
        Self::ArtiBootstrapTimeout,
        Self::Draining,
        Self::Stopped,
    ];

    /// The stable text.
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
