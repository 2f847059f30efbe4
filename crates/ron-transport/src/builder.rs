//! The builder of a transport.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::RawFd;
#[cfg(any(feature = "tls", feature = "uds"))]
use std::path::PathBuf;

use transport_core::{Backend, Dialer, Listener, PeerAddr, TransportError};
use transport_limits::{Decision, Limits};

use crate::backend::CustomBackends;
use crate::config::{check, Config};
use crate::credentials::Credentials;
use crate::limiter_setup::LimiterSetup;
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
    pub(crate) shared: LimiterSetup,
    max_fd: Option<RawFd>,
    accept_loops: Option<NonZeroUsize>,
    admit: Option<AdmissionHook>,
    pub(crate) custom: CustomBackends,
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
    pub fn bind_addr(self, addr: SocketAddr) -> Self {
        self.bind_addrs([addr])
    }

    /// Sets several addresses to listen on, such as one for each family.
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// use ron_transport::Transport;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let both: [SocketAddr; 2] = ["127.0.0.1:0".parse()?, "127.0.0.2:0".parse()?];
    /// let transport = Transport::builder().bind_addrs(both).build()?;
    /// transport.listen().await?;
    /// assert_eq!(transport.local_addrs().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails for two addresses that are the same or of which one covers the
    /// other.
    #[must_use]
    pub fn bind_addrs(mut self, addrs: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.overrides.bind_addrs = Some(addrs.into_iter().collect());
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
    /// `tls.*`. No reload replaces it; [`Transport::replace_server_tls`] does.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn server_tls(mut self, tls: transport_tls::ServerTls) -> Self {
        self.overrides.has_server_tls = true;
        self.credentials.server_tls = Some(tls);
        self
    }

    /// Dials with this TLS configuration, in place of `tls_client.*`.
    ///
    /// No reload replaces it; [`Transport::replace_client_tls`] does.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn client_tls(mut self, tls: transport_tls::ClientTls) -> Self {
        self.credentials.client_tls = Some(tls);
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
    /// hook that panics refuses the peer. Behind a balancer (`proxy.trusted`) it decides about the announced
    /// address, once that is known.
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

    /// Listens with a raw listener of the embedder, which is already bound.
    ///
    /// Everything that holds for built-in backends holds for it: limits, deadlines, metrics, logs,
    /// readiness, drain and reload. The name is the label `backend` of its metrics, in place of
    /// [`Listener::backend`]. Its peers are counted by [`PeerAddr`], see [`PeerAddr::Other`]. With
    /// [`server_tls`](Self::server_tls), [`tls_files`](Self::tls_files) or `backend = "tls"`, TLS
    /// runs over it. The key `backend` keeps its default otherwise, and `bind_addr` stays unset.
    ///
    /// [`listen`](Transport::listen) begins to accept, and the listener is dropped when accepting
    /// ends. The contract of a backend is in
    /// [`transport_core::contract`](transport_core::contract).
    ///
    /// # Errors
    /// [`build`](Self::build) fails for an invalid name ([`Target::is_custom_name`](transport_core::Target::is_custom_name)), for a second
    /// listener, and with `bind_addr` or another backend than TLS.
    #[must_use]
    pub fn raw_listener<L: Listener>(mut self, name: &'static str, listener: L) -> Self {
        self.custom.add_listener(name, listener);
        self
    }

    /// Adds a raw dialer of the embedder for the targets `scheme://address`.
    ///
    /// The dialer receives [`Target::Custom`](transport_core::Target::Custom). `tls+scheme://address` dials with TLS over it; then
    /// `tls_client.sni_override` has the server's name. The scheme is the label `backend` of the
    /// metrics, in place of [`Dialer::backend`].
    ///
    /// ```
    /// use ron_transport::{
    ///     ConnInfo, Connection, Dialer, Backend, Plain, Target, Transport, TransportError,
    /// };
    /// use tokio::io::DuplexStream;
    ///
    /// /// Connects to an echo in memory.
    /// struct Loopback;
    ///
    /// impl Dialer for Loopback {
    ///     type Io = Plain<DuplexStream>;
    ///
    ///     fn backend(&self) -> Backend {
    ///         Backend::Custom("loopback")
    ///     }
    ///
    ///     async fn dial(&self, to: &Target) -> Result<Connection<Self::Io>, TransportError> {
    ///         assert_eq!(to.to_string(), "anywhere");
    ///         let (ours, mut theirs) = tokio::io::duplex(1024);
    ///         tokio::spawn(async move {
    ///             let (mut read, mut write) = tokio::io::split(&mut theirs);
    ///             let _ = tokio::io::copy(&mut read, &mut write).await;
    ///         });
    ///         Ok(Connection::new(Plain(ours), ConnInfo::new(self.backend(), None)))
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let transport = Transport::builder().raw_dialer("loopback", Loopback).build()?;
    /// let conn = transport.dial("loopback://anywhere").await?;
    /// assert_eq!(conn.info().backend, Backend::Custom("loopback"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails for an invalid scheme ([`Target::is_custom_name`](transport_core::Target::is_custom_name)) and for one
    /// that another dialer has.
    #[must_use]
    pub fn raw_dialer<D: Dialer>(mut self, scheme: &'static str, dialer: D) -> Self {
        self.custom.add_dialer(scheme, dialer);
        self
    }

    /// Builds the transport. It binds nothing.
    ///
    /// # Errors
    /// [`TransportError::Config`] when settings contradict each other or those of the shared
    /// [`limiter`](Self::limiter), and for an invalid [`name`](Self::name) or
    /// [`metrics_prefix`](Self::metrics_prefix).
    pub fn build(self) -> Result<Transport, TransportError> {
        let Self {
            config,
            overrides,
            credentials,
            shared,
            max_fd,
            accept_loops,
            admit,
            custom,
        } = self;
        let mut config = overrides.merge_into(config)?;
        custom.check(&config)?;
        let (limiter, observer) = shared.into_limiter(&mut config.limits, &custom.labels())?;
        check(&config)?;
        credentials.check(&config)?;
        if let Some(hook) = admit {
            limiter.set_admit(hook);
        }
        Ok(Transport::new(
            config,
            credentials,
            custom,
            limiter,
            observer,
            max_fd,
            accept_loops,
        ))
    }
}
