//! The TCP dialer: name resolution, connection attempts, socket options.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::time::Instant;
use transport_core::{
    Backend, ConnInfo, Connection, Dialer, PeerAddr, Reloadable, Target, TransportError,
};

use super::resolve::Resolver;
use super::{happy_eyeballs, options, TcpIo};
use crate::TcpConfig;

/// The dial timeout if none is configured: the default of `dial_timeout`.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A raw TCP dialer for `host:port` targets.
///
/// # Example
///
/// ```no_run
/// use transport_core::Dialer;
/// use transport_tcp::raw::TcpDialer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dialer = TcpDialer::default();
/// let connection = dialer.dial(&"example.com:80".parse()?).await?;
/// println!("connected in {:?}", connection.info.steps.connect());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TcpDialer {
    config: Reloadable<TcpConfig>,
    max_fd: Option<RawFd>,
    resolver: Resolver,
    dial_timeout: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl fmt::Debug for TcpDialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpDialer")
            .field("config", &self.config)
            .field("max_fd", &self.max_fd)
            .field("resolver", &self.resolver)
            .finish_non_exhaustive()
    }
}

impl Default for TcpDialer {
    fn default() -> Self {
        Self::new(&TcpConfig::default())
    }
}

impl TcpDialer {
    /// Creates a dialer with these socket options.
    #[must_use]
    pub fn new(config: &TcpConfig) -> Self {
        Self {
            config: Reloadable::new(config.clone()),
            max_fd: None,
            resolver: Resolver::new(),
            dial_timeout: Arc::new(|| DIAL_TIMEOUT),
        }
    }

    /// Reads the socket options from `config` at each dial.
    #[must_use]
    pub fn with_config(mut self, config: &Reloadable<TcpConfig>) -> Self {
        self.config = config.clone();
        self
    }

    /// Refuses sockets with a descriptor of `limit` or higher, with `EMFILE`.
    ///
    /// See [`TcpListener::with_max_fd`](super::TcpListener::with_max_fd).
    #[must_use]
    pub const fn with_max_fd(mut self, limit: Option<RawFd>) -> Self {
        self.max_fd = limit;
        self.resolver.set_max_fd(limit);
        self
    }

    /// Reads the dial timeout from `timeout` at each dial.
    ///
    /// The dialer does not enforce it, [`Guard`](transport_limits::Guard) does. The dialer schedules
    /// its attempts by it, so that every address of a name is tried in time.
    #[must_use]
    pub fn with_dial_timeout(
        mut self,
        timeout: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.dial_timeout = Arc::new(timeout);
        self
    }

    /// Starts the thread for name lookups.
    ///
    /// Without this call it starts with the first lookup.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start_resolver(&self) -> std::io::Result<()> {
        self.resolver.start()
    }
}

impl Dialer for TcpDialer {
    type Io = TcpIo;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    /// Resolves the host, connects, and sets the socket options.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`] for another kind of target and for `.onion` names,
    /// [`TransportError::Resolve`], [`TransportError::Connect`], and [`TransportError::Io`] if an
    /// option cannot be set.
    ///
    /// # Cancel safety
    /// Dropping the future closes every socket. A running name lookup continues on its thread.
    async fn dial(&self, to: &Target) -> Result<Connection<TcpIo>, TransportError> {
        let Target::Host { host, port } = to else {
            return Err(TransportError::Unsupported {
                what: format!("dialing {to} over tcp"),
            });
        };
        if to.is_onion() {
            // The name must not leak to the resolver and to name servers.
            return Err(TransportError::Unsupported {
                what: "dialing an .onion name over tcp: use the Tor backend".to_owned(),
            });
        }
        let resolve = |source| TransportError::Resolve {
            host: host.clone(),
            source,
        };
        let started = Instant::now();
        let literal = host.parse().map(|ip| [SocketAddr::new(ip, *port)]);
        let (found, resolved);
        let addrs: &[SocketAddr] = if let Ok(literal) = &literal {
            resolved = started;
            literal
        } else {
            found = self.resolver.resolve(host, *port).await.map_err(resolve)?;
            resolved = Instant::now();
            &found
        };
        let connect = |source| TransportError::Connect {
            target: to.to_string(),
            source,
        };
        let rest = (self.dial_timeout)().saturating_sub(resolved - started);
        let config = self.config.get();
        let race = happy_eyeballs::race(addrs, rest, self.max_fd, &config);
        let (stream, addr) = race.await.map_err(connect)?;
        let connected = Instant::now();
        let deferred = options::apply_at_dial(&SockRef::from(&stream), &config);
        let deferred = deferred.map_err(TransportError::Io)?;
        // A connection to the unspecified address reaches this host.
        let peer = match addr.ip().is_unspecified() {
            true => stream.peer_addr().ok(),
            false => Some(addr),
        };
        let peer = peer.map(PeerAddr::Ip);
        let mut info = ConnInfo::new(Backend::Tcp, peer);
        info.local = stream.local_addr().ok();
        info.steps.set_resolve(resolved - started);
        info.steps.set_connect(connected - resolved);
        Ok(Connection::new(
            TcpIo::new(stream).with_deferred(deferred),
            info,
        ))
    }
}
