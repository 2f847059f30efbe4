//! The builder: configuration and observer in, transport out.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;

use transport_core::{Observer, TransportError};
use transport_limits::{Limiter, Limits};
use transport_metrics::MetricsObserver;

use crate::config::{check, Config, COMPILED_BACKENDS};
use crate::transport::Transport;

/// What the embedder gives in place of files.
#[derive(Default)]
pub(crate) struct Given {
    #[cfg(feature = "tls")]
    pub(crate) server_tls: Option<transport_tls::ServerTls>,
}

/// Makes a [`Transport`].
#[derive(Default)]
pub struct TransportBuilder {
    config: Config,
    given: Given,
    observer: Option<Arc<dyn Observer>>,
    fd_limit: Option<RawFd>,
}

impl std::fmt::Debug for TransportBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransportBuilder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl TransportBuilder {
    /// Takes a whole configuration; what was set before is replaced.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The address to listen on; port 0 takes a free one.
    #[must_use]
    pub fn bind_addr(mut self, addr: SocketAddr) -> Self {
        self.config.general.set_bind_addr(Some(addr));
        self
    }

    /// The limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// A certificate and key in memory, or a configuration of rustls, for the backend `tls`: it
    /// takes the place of `tls.cert_path` and `tls.key_path`, and no reload replaces it.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn server_tls(mut self, tls: transport_tls::ServerTls) -> Self {
        self.given.server_tls = Some(tls);
        self
    }

    /// The metrics recorder. Without one the global recorder is used, which must then be
    /// installed before [`build`](Self::build).
    #[must_use]
    pub fn recorder(self, recorder: &dyn metrics::Recorder) -> Self {
        let observer = MetricsObserver::with_recorder(recorder, COMPILED_BACKENDS);
        self.observer(Arc::new(observer))
    }

    /// Counts with an observer of the embedder's own instead of the metrics facade.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Keeps descriptors from this number on free of connections, for what else the process must
    /// be able to open: an admin endpoint, files.
    #[must_use]
    pub fn fd_limit(mut self, limit: RawFd) -> Self {
        self.fd_limit = Some(limit);
        self
    }

    /// Makes the transport; nothing is bound yet.
    ///
    /// # Errors
    /// [`TransportError::Config`] when settings contradict each other.
    pub fn build(self) -> Result<Transport, TransportError> {
        let Self {
            config,
            given,
            observer,
            fd_limit,
        } = self;
        let observer =
            observer.unwrap_or_else(|| Arc::new(MetricsObserver::new(COMPILED_BACKENDS)));
        check(&config)?;
        let limiter = Limiter::new(&config.limits, Arc::clone(&observer))?;
        Ok(Transport::new(config, given, limiter, observer, fd_limit))
    }
}
