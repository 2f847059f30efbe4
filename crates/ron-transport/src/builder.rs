//! The builder of a transport.

use std::net::SocketAddr;
use std::os::fd::RawFd;
#[cfg(any(feature = "tls", feature = "uds"))]
use std::path::PathBuf;

use transport_core::{Backend, PeerAddr, TransportError};
use transport_limits::{Decision, Limits};

use crate::config::{check, Config};
use crate::credentials::Credentials;
use crate::overrides::Overrides;
use crate::several::Shared;
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
    pub(crate) shared: Shared,
    max_fd: Option<RawFd>,
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
            admit,
        } = self;
        let mut config = overrides.merge_into(config)?;
        let (limiter, observer) = shared.into_limiter(&mut config.limits)?;
        check(&config)?;
        credentials.check(&config)?;
        if let Some(hook) = admit {
            limiter.set_admit(hook);
        }
        Ok(Transport::new(
            config,
            credentials,
            limiter,
            observer,
            max_fd,
        ))
    }
}
