//! The builder of a transport.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::RawFd;
#[cfg(any(feature = "tls", feature = "uds"))]
use std::path::PathBuf;
use std::sync::Arc;

use transport_core::{Backend, Observer, PeerAddr, TransportError};
use transport_limits::{Decision, Limiter, Limits};
use transport_metrics::MetricsObserver;

use crate::config::{check, Config, COMPILED_BACKENDS};
use crate::credentials::Credentials;
use crate::overrides::Overrides;
use crate::transport::Transport;

type AdmissionHook = Box<dyn Fn(PeerAddr) -> Decision + Send + Sync>;

/// Builds a [`Transport`].
///
/// Setters and [`config`](Self::config) merge in any order. [`build`](Self::build) fails where both
/// set a key to different values.
///
/// ```
/// use ron_transport::{Limits, Transport};
///
/// let transport = Transport::builder()
///     .bind_addr("127.0.0.1:0".parse()?)
///     .limits(Limits::new().with_max_conns(500)?.with_peer_max_conns(20)?)
///     .build()?;
/// assert_eq!(transport.config().limits.max_conns(), 500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct TransportBuilder {
    config: Config,
    overrides: Overrides,
    credentials: Credentials,
    observer: Option<Arc<dyn Observer>>,
    max_fd: Option<RawFd>,
    accept_loops: Option<NonZeroUsize>,
    admit: Option<AdmissionHook>,
}

impl std::fmt::Debug for TransportBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransportBuilder")
            .field("config", &self.config)
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// Returns a builder with the default settings.
    #[must_use]
    pub fn builder() -> TransportBuilder {
        TransportBuilder::default()
    }
}

impl TransportBuilder {
    /// Sets the whole configuration, such as a loaded one. Setters merge into it.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the address to listen on. Port 0 takes a free port.
    #[must_use]
    pub fn bind_addr(mut self, addr: SocketAddr) -> Self {
        self.overrides.bind_addr = Some(addr);
        self
    }

    /// Sets the backend of the listener; by default TCP.
    ///
    /// [`tls_files`](Self::tls_files), [`server_tls`](Self::server_tls) and [`unix`](Self::unix)
    /// set it too.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.overrides.backend = Some(backend);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.overrides.limits = Some(limits);
        self
    }

    /// Listens with TLS, with certificate and key from PEM files.
    ///
    /// The first file has the whole chain. The key must be readable by its owner only (mode 0600).
    /// [`watch_certificates`](Transport::watch_certificates) reloads both.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls_files(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.overrides.tls_files = Some((cert.into(), key.into()));
        self
    }

    /// Listens with TLS, without files.
    ///
    /// The credentials are a certificate and key in memory, or a rustls configuration. It replaces
    /// `tls.cert_path` and `tls.key_path`, and no reload replaces it.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn server_tls(mut self, tls: transport_tls::ServerTls) -> Self {
        self.overrides.has_server_tls = true;
        self.credentials.server_tls = Some(tls);
        self
    }

    /// Listens on a Unix socket at an absolute path.
    ///
    /// No user may connect unless [`allow_uids`](Self::allow_uids) or the configuration lists them.
    #[cfg(feature = "uds")]
    #[must_use]
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.overrides.unix = Some(path.into());
        self
    }

    /// Sets the user ids that may connect to the Unix socket.
    #[cfg(feature = "uds")]
    #[must_use]
    pub fn allow_uids(mut self, uids: impl IntoIterator<Item = u32>) -> Self {
        self.overrides.allow_uids = Some(uids.into_iter().collect());
        self
    }

    /// Sets the metrics recorder.
    ///
    /// By default it is the global recorder, which must be installed before
    /// [`build`](Self::build).
    #[must_use]
    pub fn recorder(self, recorder: &dyn metrics::Recorder) -> Self {
        let observer = MetricsObserver::with_recorder(recorder, COMPILED_BACKENDS);
        self.observer(Arc::new(observer))
    }

    /// Sets an observer, which replaces the metrics recorder.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Sets the first file descriptor that no connection may use.
    ///
    /// Descriptors from this number on stay free for the rest of the process, such as an admin
    /// endpoint and files.
    #[must_use]
    pub fn max_fd(mut self, limit: RawFd) -> Self {
        self.max_fd = Some(limit);
        self
    }

    /// Sets the number of accept loops.
    ///
    /// A service with a runtime for each core has as many.
    /// Each of that many [`serve`](Transport::serve) calls accepts on the runtime that polls it, and
    /// its connections stay on that runtime. All share the limits of the transport. On Linux each
    /// loop has a socket of its own (`SO_REUSEPORT`), over which the kernel spreads connections by a
    /// hash of their addresses. Loops share a passed socket and a Unix socket; an onion service has
    /// one loop, and further calls wait until the transport stops accepting.
    ///
    /// ```no_run
    /// use std::num::NonZeroUsize;
    /// use std::sync::Arc;
    /// use std::thread;
    ///
    /// use ron_transport::{echo, Transport};
    /// use tokio::runtime::Builder;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let cores = thread::available_parallelism()?;
    /// let transport = Transport::builder()
    ///     .bind_addr("127.0.0.1:9444".parse()?)
    ///     .accept_loops(cores)
    ///     .build()?;
    /// transport.listen().await?;
    /// let transport = Arc::new(transport);
    /// for _ in 0..cores.get() {
    ///     let worker = Builder::new_current_thread().enable_all().build()?;
    ///     let serving = Arc::clone(&transport).serve_owned(echo);
    ///     thread::spawn(move || worker.block_on(serving));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The runtimes must run until [`shutdown`](Transport::shutdown) has returned: a runtime that
    /// ends earlier drops its connections.
    #[must_use]
    pub fn accept_loops(mut self, loops: NonZeroUsize) -> Self {
        self.accept_loops = Some(loops);
        self
    }

    /// Sets a hook that decides on every accepted connection.
    ///
    /// It runs after the address rules (`peers.allow`, `peers.deny`) and before any other limit. A
    /// refused peer counts as `denied`. The accept loop waits for the hook, so it must not block; a
    /// hook that panics refuses the peer.
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

    /// Builds the transport. It binds nothing.
    ///
    /// # Errors
    /// [`TransportError::Config`] when settings contradict each other.
    pub fn build(self) -> Result<Transport, TransportError> {
        let Self {
            config,
            overrides,
            credentials,
            observer,
            max_fd,
            accept_loops,
            admit,
        } = self;
        let config = overrides.merge_into(config)?;
        let observer =
            observer.unwrap_or_else(|| Arc::new(MetricsObserver::new(COMPILED_BACKENDS)));
        check(&config)?;
        let limiter = Limiter::new(&config.limits, Arc::clone(&observer))?;
        if let Some(hook) = admit {
            limiter.set_admit(hook);
        }
        Ok(Transport::new(
            config,
            credentials,
            limiter,
            observer,
            max_fd,
            accept_loops,
        ))
    }
}
