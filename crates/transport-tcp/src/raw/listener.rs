//! Listening and accepting.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;
use transport_core::{
    Backend, ConnInfo, Connection, Listener, PeerAddr, Pending, Reason, Reloadable, TransportError,
};

use super::{options, TcpIo};
use crate::TcpConfig;

/// A bound TCP listener.
#[derive(Debug)]
pub struct TcpListener {
    inner: tokio::net::TcpListener,
    config: Reloadable<TcpConfig>,
    /// The options that the listening socket has had from the start, and so every socket it
    /// accepts.
    inherited: Option<TcpConfig>,
    /// Where accepted sockets are, if that is the same for all.
    local: Option<SocketAddr>,
    max_fd: Option<RawFd>,
}

impl TcpListener {
    /// Binds and listens. Port 0 takes a free one.
    ///
    /// # Errors
    /// [`TransportError::Bind`] with the address.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn bind(addr: SocketAddr, config: &TcpConfig) -> Result<Self, TransportError> {
        let inner = Self::open(addr, config).map_err(|source| TransportError::Bind {
            addr: addr.to_string(),
            source,
        })?;
        let inherited = options::ARE_INHERITED.then(|| config.clone());
        Ok(Self::new(inner, config, inherited))
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

    /// Takes over a socket that listens already, such as one that a service manager passes on.
    /// Its backlog and `reuse_port` stay as they are.
    ///
    /// # Errors
    /// [`TransportError::Io`] when it does not listen.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_std(
        listener: std::net::TcpListener,
        config: &TcpConfig,
    ) -> Result<Self, TransportError> {
        if !SockRef::from(&listener).is_listener()? {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen");
            return Err(TransportError::Io(error));
        }
        listener.set_nonblocking(true)?;
        let inner = tokio::net::TcpListener::from_std(listener)?;
        // What waits in its queue has the options that somebody else gave it.
        Ok(Self::new(inner, config, None))
    }

    fn open(addr: SocketAddr, config: &TcpConfig) -> io::Result<tokio::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for connections of the last run to leave TIME_WAIT.
        socket.set_reuse_address(true)?;
        if config.reuse_port() {
            socket.set_reuse_port(true)?;
        }
        socket.set_nonblocking(true)?;
        options::apply(&SockRef::from(&socket), config)?;
        socket.bind(&addr.into())?;
        socket.listen(i32::try_from(config.backlog()).unwrap_or(i32::MAX))?;
        tokio::net::TcpListener::from_std(socket.into())
    }

    /// Refuses connections whose descriptor is this number or higher as `conn_limit`: the kernel
    /// hands out the lowest free number, so those above stay free for
    /// whatever else the process must be able to open.
    #[must_use]
    pub const fn with_max_fd(mut self, limit: Option<RawFd>) -> Self {
        self.max_fd = limit;
        self
    }

    /// Takes the options of accepted connections from here, as they are at each accept.
    #[must_use]
    pub fn with_config(mut self, config: &Reloadable<TcpConfig>) -> Self {
        self.config = config.clone();
        self
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the socket has none any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

impl Listener for TcpListener {
    type Pending = TcpPending;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

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
}

/// An accepted TCP connection.
#[derive(Debug)]
pub struct TcpPending {
    stream: TcpStream,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    over_max_fd: bool,
    /// What its options have to be replaced by.
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

    /// Sets the socket's options where it has others: TCP itself has shaken hands already.
    async fn establish(self) -> Result<Connection<TcpIo>, TransportError> {
        if let Some(config) = &self.config {
            let socket = SockRef::from(&self.stream);
            options::replace(&socket, config).map_err(TransportError::Io)?;
        }
        let mut info = ConnInfo::new(Backend::Tcp, Some(self.peer()));
        info.local = self.local.or_else(|| self.stream.local_addr().ok());
        Ok(Connection::new(TcpIo::new(self.stream), info))
    }
}
