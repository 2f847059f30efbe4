//! The current state of a transport: configuration, connections, overload.

use std::sync::Arc;

use transport_core::{Backend, ReadyReason, ReadyState};
use transport_limits::{ConnSnapshot, Control, Limiter};

use crate::config::Config;
use crate::readiness::Component;
use crate::transport::Transport;

impl Transport {
    /// Returns the progress of the Tor bootstrap, 0 to 1.
    ///
    /// `None` without a Tor client.
    #[must_use]
    pub fn tor_progress(&self) -> Option<f64> {
        self.backends.tor_progress()
    }

    /// Returns the current configuration, with the ceilings of a shared limiter.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        let config = self.config.get();
        let limits = self.state.limiter.limits();
        if config.limits == limits {
            return config;
        }
        // The owner of the shared limiter has changed its ceilings.
        let mut config = Config::clone(&config);
        config.limits = limits;
        Arc::new(config)
    }

    /// Returns the [`name`](crate::TransportBuilder::name) of the transport.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.state.limiter.name()
    }

    /// Returns the backend of the listener.
    ///
    /// TLS over a raw listener is [`Backend::Tls`].
    #[must_use]
    pub fn backend(&self) -> Backend {
        match (self.config().general.backend(), &self.custom) {
            (Backend::Tcp, Some(custom)) => Backend::Custom(custom.name()),
            (backend, _) => backend,
        }
    }

    /// Returns the limiter, for an embedder that counts its own rejects.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.state.limiter
    }

    /// Refuses new connections as `overload`, or accepts them again.
    ///
    /// Readiness is `Degraded("overload")` meanwhile. Open connections and dials continue. The
    /// embedder decides when: the gateway does by the memory of its cgroup.
    pub fn set_overloaded(&self, overloaded: bool) {
        self.state.limiter.set_overloaded(overloaded);
        let state = if overloaded {
            ReadyState::Degraded {
                reason: ReadyReason::Overload,
            }
        } else {
            ReadyState::Ready
        };
        self.state.readiness.set(Component::Load, state);
    }

    /// Reports that no upstream answers, or that one may answer again.
    ///
    /// Readiness is `Degraded("upstream")` meanwhile. Nothing else changes: connections are
    /// accepted, and the embedder decides what to do with them.
    pub fn set_upstream_down(&self, down: bool) {
        let state = if down {
            ReadyState::Degraded {
                reason: ReadyReason::Upstream,
            }
        } else {
            ReadyState::Ready
        };
        self.state.readiness.set(Component::Upstream, state);
    }

    /// Reports the readiness to the metrics and the observer again.
    ///
    /// For a transport that takes the [`name`](crate::TransportBuilder::name) of one that drains:
    /// the reports of both have the same series.
    pub fn report_readiness(&self) {
        self.state.readiness.report();
    }

    /// Returns handles on all open connections.
    #[must_use]
    pub fn connections(&self) -> Vec<Control> {
        self.state.limiter.connections()
    }

    /// Returns at most `max` open connections with a number above `after`, ascending.
    ///
    /// A caller that passes the last number of one page gets the next page.
    #[must_use]
    pub fn connections_after(&self, after: u64, max: usize) -> Vec<ConnSnapshot> {
        self.state.limiter.connections_after(after, max)
    }

    /// Cancels the open connection with this number; returns whether it exists.
    pub fn cancel(&self, id: u64) -> bool {
        let found = self.state.limiter.connection(id);
        let found = found.filter(|control| !control.is_ended());
        found.is_some_and(|control| {
            control.cancel();
            true
        })
    }
}
