//! The TCP listener.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;
use transport_core::{
    Backend, ConnInfo, Connection, Listener, PeerAddr, Pending, Reason, Reloadable, TransportError,
};

use super::{network, options, TcpIo};
use crate::TcpConfig;

/// A raw TCP listener.
///
/// # Example
///
/// ```
/// use transport_core::{Listener, Pending};
/// use transport_tcp::raw::TcpListener;
/// use transport_tcp::TcpConfig;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let any_port = ([127, 0, 0, 1], 0).into();
/// let mut listener = TcpListener::bind(any_port, &TcpConfig::default()).await?;
/// let client = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
/// let connection = listener.accept().await?.establish().await?;
/// assert_eq!(connection.info.local, Some(client.peer_addr()?));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TcpListener {
    inner: tokio::net::TcpListener,
    config: Reloadable<TcpConfig>,
    /// The options that accepted sockets inherit from the listening socket.
    inherited: Option<TcpConfig>,
    /// The local address of accepted sockets.
    ///
    /// `None` if the listener is bound to any address.
    local: Option<SocketAddr>,
    max_fd: Option<RawFd>,
}

impl TcpListener {
    /// Binds and listens; port 0 selects a free port.
    ///
    /// # Errors
    /// [`TransportError::Bind`] with the address.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn bind(addr: SocketAddr, config: &TcpConfig) -> Result<Self, TransportError> {
        let inner = Self::open(addr, config, config.reuse_port());
        let inner = inner.map_err(|source| bind_error(addr, source))?;
        Ok(Self::bound(inner, config))
    }

    /// Binds several listeners to one address; the kernel spreads connections over them.
    ///
    /// Each has a socket of its own (`SO_REUSEPORT`) on Linux; elsewhere they share one. As with
    /// [`bind`](Self::bind), an address where another socket listens is an error, unless the
    /// configuration has `reuse_port`.
    ///
    /// # Errors
    /// [`TransportError::Bind`] with the address.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn bind_many(
        addr: SocketAddr,
        config: &TcpConfig,
        count: usize,
    ) -> Result<Vec<Self>, TransportError> {
        let one_each = cfg!(target_os = "linux") && count > 1;
        let first = if one_each {
            Self::bind_first(addr, config).map_err(|source| bind_error(addr, source))?
        } else {
            Self::bind(addr, config).await?
        };
        let addr = first.local_addr().map_err(TransportError::Io)?;
        let mut all = vec![first];
        while all.len() < count {
            let next = if one_each {
                let inner = Self::open(addr, config, true);
                let inner = inner.map_err(|source| bind_error(addr, source))?;
                Some(Self::bound(inner, config))
            } else {
                all[0].share()?
            };
            all.extend(next);
        }
        Ok(all)
    }

    /// Binds the first of several sockets.
    fn bind_first(addr: SocketAddr, config: &TcpConfig) -> io::Result<Self> {
        if !config.reuse_port() && addr.port() != 0 {
            // Sockets with SO_REUSEPORT would join those of another process of this user.
            drop(Self::open(addr, config, false)?);
        }
        Ok(Self::bound(Self::open(addr, config, true)?, config))
    }

    /// Wraps a socket that [`open`](Self::open) has made with this configuration.
    fn bound(inner: tokio::net::TcpListener, config: &TcpConfig) -> Self {
        let inherited = options::ARE_INHERITED.then(|| config.clone());
        Self::new(inner, config, inherited)
    }

    fn new(
        inner: tokio::net::TcpListener,
        config: &TcpConfig,
        inherited: Option<TcpConfig>,
    ) -> Self {
        let local = inner.local_addr().ok();
        Self {
            inner,
            config: Reloadable::new(config.clone()),
            inherited,
            local: local.filter(|local| !local.ip().is_unspecified()),
            max_fd: None,
        }
    }

    /// Uses a listening socket, such as one that a service manager passes.
    ///
    /// Its backlog and `reuse_port` stay.
    ///
    /// # Errors
    /// [`TransportError::Io`] if the socket does not listen.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_std(
        listener: std::net::TcpListener,
        config: &TcpConfig,
    ) -> Result<Self, TransportError> {
        if !is_listening(&SockRef::from(&listener))? {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen");
            return Err(TransportError::Io(error));
        }
        listener.set_nonblocking(true)?;
        let inner = tokio::net::TcpListener::from_std(listener)?;
        // Connections in its backlog have options that are unknown here.
        Ok(Self::new(inner, config, None))
    }

    fn open(
        addr: SocketAddr,
        config: &TcpConfig,
        reuse_port: bool,
    ) -> io::Result<tokio::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for old connections to leave TIME_WAIT.
        socket.set_reuse_address(true)?;
        if reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.set_nonblocking(true)?;
        options::apply(&SockRef::from(&socket), config)?;
        network::before_bind(&SockRef::from(&socket), addr, config)?;
        socket.bind(&addr.into())?;
        socket.listen(i32::try_from(config.backlog()).unwrap_or(i32::MAX))?;
        tokio::net::TcpListener::from_std(socket.into())
    }

    /// Refuses connections with a descriptor of `limit` or higher, as `conn_limit`.
    ///
    /// The kernel assigns the lowest free descriptor. So those above stay free for other files that
    /// the process must be able to open.
    #[must_use]
    pub const fn with_max_fd(mut self, limit: Option<RawFd>) -> Self {
        self.max_fd = limit;
        self
    }

    /// Reads the socket options from `config` at each accept.
    #[must_use]
    pub fn with_config(mut self, config: &Reloadable<TcpConfig>) -> Self {
        self.config = config.clone();
        self
    }

    /// Returns the bound address.
    ///
    /// # Errors
    /// If the system cannot report it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

fn bind_error(addr: SocketAddr, source: io::Error) -> TransportError {
    TransportError::Bind {
        addr: addr.to_string(),
        source,
    }
}

/// Returns whether a socket listens.
///
/// True where the system does not report it. There the first accept fails.
fn is_listening(socket: &SockRef<'_>) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    return socket.is_listener();
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        Ok(true)
    }
}

impl Listener for TcpListener {
    type Pending = TcpPending;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    /// Accepts a connection.
    ///
    /// # Errors
    /// [`TransportError::Io`]; the listener stays usable.
    ///
    /// # Cancel safety
    /// A dropped call loses no connection.
    async fn accept(&mut self) -> Result<TcpPending, TransportError> {
        let (stream, peer) = self.inner.accept().await.map_err(TransportError::Io)?;
        let over_max_fd = self.max_fd.is_some_and(|limit| stream.as_raw_fd() >= limit);
        let config = self.config.get();
        let inherits = self.inherited.as_ref() == Some(&*config);
        Ok(TcpPending {
            stream,
            peer,
            local: self.local,
            over_max_fd,
            config: (!inherits).then_some(config),
        })
    }

    fn share(&self) -> Result<Option<Self>, TransportError> {
        let socket = self.inner.as_fd().try_clone_to_owned()?;
        let inner = tokio::net::TcpListener::from_std(socket.into())?;
        Ok(Some(Self {
            inner,
            config: self.config.clone(),
            inherited: self.inherited.clone(),
            local: self.local,
            max_fd: self.max_fd,
        }))
    }
}

/// An accepted TCP connection; dropping it closes the connection.
#[derive(Debug)]
pub struct TcpPending {
    stream: TcpStream,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    over_max_fd: bool,
    /// The options to set; `None` if the inherited ones are current.
    config: Option<Arc<TcpConfig>>,
}

impl Pending for TcpPending {
    type Io = TcpIo;

    const HANDSHAKE: bool = false;

    fn peer(&self) -> PeerAddr {
        PeerAddr::Ip(self.peer)
    }

    fn refused(&self) -> Option<Reason> {
        self.over_max_fd.then_some(Reason::ConnLimit)
    }

    /// Sets the socket options that differ; never waits for the peer.
    ///
    /// # Errors
    /// [`TransportError::Io`] if an option cannot be set.
    async fn establish(self) -> Result<Connection<TcpIo>, TransportError> {
        if let Some(config) = &self.config {
            let socket = SockRef::from(&self.stream);
            options::replace(&socket, config).map_err(TransportError::Io)?;
            let local = self.stream.local_addr()?.ip();
            network::again(&socket, local, config).map_err(TransportError::Io)?;
        }
        let mut info = ConnInfo::new(Backend::Tcp, Some(self.peer()));
        info.local = self.local.or_else(|| self.stream.local_addr().ok());
        Ok(Connection::new(TcpIo::new(self.stream), info))
    }
}
