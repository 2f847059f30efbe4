//! The builder: configuration and observer in, transport out.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;

use transport_core::{Observer, PeerAddr, TransportError};
use transport_limits::{Decision, Limiter, Limits};
use transport_metrics::MetricsObserver;

use crate::config::{check, Config, COMPILED_BACKENDS};
use crate::transport::Transport;

/// What the embedder gives in place of files.
#[derive(Default)]
pub(crate) struct Given {
    #[cfg(feature = "tls")]
    pub(crate) server_tls: Option<transport_tls::ServerTls>,
}

type Admit = Box<dyn Fn(PeerAddr) -> Decision + Send + Sync>;

/// Makes a [`Transport`].
#[derive(Default)]
pub struct TransportBuilder {
    config: Config,
    given: Given,
    observer: Option<Arc<dyn Observer>>,
    max_fd: Option<RawFd>,
    admit: Option<Admit>,
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
    pub fn max_fd(mut self, limit: RawFd) -> Self {
        self.max_fd = Some(limit);
        self
    }

    /// Asks the embedder about every accepted connection, after the rules for addresses
    /// (`peers.allow`, `peers.deny`) and before any other limit and any work.
    ///
    /// A refused peer is counted as `denied`. The accept loop waits for the answer, so the hook must
    /// not block; a hook that panics refuses the peer.
    ///
    /// ```
    /// use ron_transport::{Decision, PeerAddr, Transport};
    ///
    /// let transport = Transport::builder()
    ///     .admit(|peer| match peer {
    ///         PeerAddr::Ip(addr) if addr.port() < 1024 => Decision::Refuse,
    ///         _ => Decision::Allow,
    ///     })
    ///     .build()?;
    /// # drop(transport);
    /// # Ok::<(), ron_transport::TransportError>(())
    /// ```
    #[must_use]
    pub fn admit<F>(mut self, hook: F) -> Self
    where
        F: Fn(PeerAddr) -> Decision + Send + Sync + 'static,
    {
        self.admit = Some(Box::new(hook));
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
            max_fd,
            admit,
        } = self;
        let observer =
            observer.unwrap_or_else(|| Arc::new(MetricsObserver::new(COMPILED_BACKENDS)));
        check(&config)?;
        let limiter = Limiter::new(&config.limits, Arc::clone(&observer))?;
        if let Some(hook) = admit {
            limiter.set_admit(hook);
        }
        Ok(Transport::new(config, given, limiter, observer, max_fd))
    }
}
