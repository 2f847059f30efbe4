//! The TCP listener.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::net::TcpStream;
use transport_core::{
    Backend, ConnInfo, Connection, Listener, PeerAddr, Pending, Reason, Reloadable, TransportError,
};

use super::listen_set::ListenSet;
use super::mailbox::{Mailbox, SocketChange};
use super::open::OpenSocket;
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
    /// One for each address.
    sockets: Vec<ListenSocket>,
    /// The socket that the next accept asks first.
    next: usize,
    /// Sockets of removed addresses, and how many connections each may still yield.
    closing: Vec<(ListenSocket, u32)>,
    mailbox: Arc<Mailbox>,
    set: ListenSet,
    config: Reloadable<TcpConfig>,
    max_fd: Option<RawFd>,
}

/// A listening socket of the current runtime.
#[derive(Debug)]
pub(super) struct ListenSocket {
    inner: tokio::net::TcpListener,
    addr: SocketAddr,
    /// The options that accepted sockets inherit from the listening socket.
    inherited: Option<TcpConfig>,
    /// The local address of accepted sockets.
    ///
    /// `None` if the socket is bound to any address.
    local: Option<SocketAddr>,
}

impl ListenSocket {
    /// Registers a socket with the current runtime.
    fn register(open: OpenSocket) -> io::Result<Self> {
        let local = Some(open.local).filter(|local| !local.ip().is_unspecified());
        Ok(Self {
            inner: tokio::net::TcpListener::from_std(open.inner)?,
            addr: open.local,
            inherited: open.inherited,
            local,
        })
    }
}

impl TcpListener {
    /// Binds and listens; port 0 selects a free port.
    ///
    /// # Errors
    /// [`TransportError::Bind`] with the address.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[allow(clippy::unused_async)]
    pub async fn bind(addr: SocketAddr, config: &TcpConfig) -> Result<Self, TransportError> {
        let (_, listeners) = ListenSet::bind(&[addr], config, 1)?;
        listeners.into_iter().next().ok_or(TransportError::Closed)
    }

    /// Binds several listeners to one address; the kernel spreads connections over them.
    ///
    /// As [`ListenSet::bind`] with one address.
    ///
    /// # Errors
    /// [`TransportError::Bind`] with the address.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[allow(clippy::unused_async)]
    pub async fn bind_many(
        addr: SocketAddr,
        config: &TcpConfig,
        count: usize,
    ) -> Result<Vec<Self>, TransportError> {
        ListenSet::bind(&[addr], config, count).map(|(_, listeners)| listeners)
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
        ListenSet::from_std(vec![listener], config).map(|(_, listener)| listener)
    }

    pub(super) fn new(
        sockets: Vec<ListenSocket>,
        config: &Reloadable<TcpConfig>,
        mailbox: Arc<Mailbox>,
        set: &ListenSet,
    ) -> Self {
        Self {
            sockets,
            next: 0,
            closing: Vec::new(),
            mailbox,
            set: set.clone(),
            config: config.clone(),
            max_fd: None,
        }
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

    /// Returns the bound address; of several the first.
    ///
    /// # Errors
    /// If the listener has no address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let first = self.set.local_addrs().into_iter().next();
        first.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Returns the addresses, shared with the listeners of other loops.
    #[must_use]
    pub const fn set(&self) -> &ListenSet {
        &self.set
    }

    /// Applies the changes of the set to the sockets of this listener.
    ///
    /// A socket that cannot be registered is tried again by the next accept.
    pub(super) fn apply_changes(&mut self) -> io::Result<()> {
        let mut changes = self.mailbox.take().into_iter();
        while let Some(change) = changes.next() {
            if let Err(error) = self.apply(&change) {
                self.mailbox
                    .put_back(std::iter::once(change).chain(changes).collect());
                return Err(error);
            }
        }
        Ok(())
    }

    fn apply(&mut self, change: &SocketChange) -> io::Result<()> {
        match change {
            SocketChange::Add(open) => {
                self.sockets
                    .push(ListenSocket::register(open.try_clone()?)?);
            }
            SocketChange::Remove(addr) => {
                let backlog = self.config.get().backlog();
                let (removed, kept) = std::mem::take(&mut self.sockets)
                    .into_iter()
                    .partition::<Vec<_>, _>(|socket| socket.addr == *addr);
                self.sockets = kept;
                let removed = removed.into_iter().map(|socket| (socket, backlog));
                self.closing.extend(removed);
            }
        }
        Ok(())
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<TcpPending, TransportError>> {
        if self.mailbox.is_filled() {
            self.apply_changes()?;
        }
        if let Some(pending) = self.accept_closing() {
            return Poll::Ready(pending);
        }
        loop {
            let count = self.sockets.len();
            for turn in 0..count {
                let at = (self.next + turn) % count;
                let socket = &self.sockets[at];
                if let Poll::Ready(accepted) = socket.inner.poll_accept(cx) {
                    let pending = self.pending(socket, accepted);
                    // The others come first at the next accept, so that none starves.
                    self.next = at + 1;
                    return Poll::Ready(pending);
                }
            }
            self.mailbox.register(cx.waker());
            if !self.mailbox.is_filled() {
                return Poll::Pending;
            }
            self.apply_changes()?;
            if let Some(pending) = self.accept_closing() {
                return Poll::Ready(pending);
            }
        }
    }

    /// Accepts a connection that the kernel has completed for a removed address.
    ///
    /// Closes the sockets of such addresses that have none.
    fn accept_closing(&mut self) -> Option<Result<TcpPending, TransportError>> {
        while let Some((socket, left)) = self.closing.last_mut() {
            // The readiness of the runtime may be out of date.
            let accepted = match left.checked_sub(1) {
                Some(less) => {
                    *left = less;
                    SockRef::from(&socket.inner).accept()
                }
                None => Err(io::ErrorKind::WouldBlock.into()),
            };
            if let Err(error) = &accepted {
                if error.kind() == io::ErrorKind::WouldBlock {
                    self.closing.pop();
                    continue;
                }
            }
            let accepted = accepted.and_then(|(stream, peer)| {
                let peer = peer.as_socket().ok_or(io::ErrorKind::InvalidData)?;
                stream.set_nonblocking(true)?;
                Ok((TcpStream::from_std(stream.into())?, peer))
            });
            let (socket, _) = self.closing.last()?;
            return Some(self.pending(socket, accepted));
        }
        None
    }

    fn pending(
        &self,
        socket: &ListenSocket,
        accepted: io::Result<(TcpStream, SocketAddr)>,
    ) -> Result<TcpPending, TransportError> {
        let (stream, peer) = accepted.map_err(TransportError::Io)?;
        let over_max_fd = self.max_fd.is_some_and(|limit| stream.as_raw_fd() >= limit);
        let config = self.config.get();
        let inherits = socket.inherited.as_ref() == Some(&*config);
        Ok(TcpPending {
            stream,
            peer,
            local: socket.local,
            over_max_fd,
            config: (!inherits).then_some(config),
        })
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
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn share(&self) -> Result<Option<Self>, TransportError> {
        let mut sockets = Vec::with_capacity(self.sockets.len());
        // The changes first: a later one must not refer to a socket that this listener lacks.
        let mailbox = self.set.mailbox(&self.mailbox);
        for socket in &self.sockets {
            let inner = socket.inner.as_fd().try_clone_to_owned()?;
            sockets.push(ListenSocket::register(OpenSocket {
                inner: inner.into(),
                local: socket.addr,
                inherited: socket.inherited.clone(),
            })?);
        }
        let mut shared = Self::new(sockets, &self.config, mailbox, &self.set);
        shared.max_fd = self.max_fd;
        Ok(Some(shared))
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
